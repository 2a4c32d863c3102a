# shellcheck shell=bash
# Several services: their new containers start together, and their old ones end together.
# Reads: be drain grace hash healthy image made order service services settings_of user variable

choose_service() { eval "${settings_of[$1]}"; }

# A new container of each; nobody is sent to one before all of them are healthy. What is replaced
# stop-first has its container made here, and started in its own turn.
start_together() {
  local name old new former former_name slot entered making=() starting=()
  local -A staged=() waiting_slots=() serving=()
  read_containers
  for name in "${services[@]}"; do choose_service "$name"; stage_service; done
  [ ${#making[@]} -eq 0 ] || make_staged
  [ ${#starting[@]} -eq 0 ] || { start_staged; wait_staged; }
}
stage_service() {
  find_containers
  if known_wanted "$old" || { known_wanted "$former" && serves_well "$former"; }; then
    say "$service: nothing to start"
    return
  fi
  export "$variable=$image"
  staged[$service]=$new serving[$service]=$old
  [ -z "$routed" ] || waiting_slots[$service]=$(free_slot)
  if [ -z "$new" ]; then own_volumes '' "$image" "$user"; making+=("$service"); fi
  if [ "$order" = start-first ] || [ -z "$old" ]; then starting+=("$service"); fi
}
make_staged() {
  local notes=()
  create_more "${making[@]}"
  for name in "${making[@]}"; do
    choose_service "$name"
    staged[$name]=${made[$name]}
    notes+=("${staged[$name]}" "$hash")
  done
  note_made "${notes[@]}"
}
start_staged() {
  # What does not start is found by its state, so that it is named.
  for name in "${starting[@]}"; do say "${staged[$name]}"; done | xargs -P 4 -n 1 docker start >/dev/null || true
  say "started the new containers of ${starting[*]}"
}
wait_staged() {
  local began=$SECONDS waiting=("${starting[@]}") still id code state restarts health
  local -A states
  while [ ${#waiting[@]} -gt 0 ]; do
    states=() still=()
    for name in "${waiting[@]}"; do still+=("${staged[$name]}"); done
    while read -r state restarts health id; do
      states[$id]="$state $restarts $health"
    done < <(container_states "${still[@]}")
    still=()
    for name in "${waiting[@]}"; do
      choose_service "$name"
      id=${staged[$name]} code=0
      read -r state restarts health <<< "${states[$id]:-}" || true
      check_health "$id" "$state" $((${restarts:-0} - ${restarts_of[$id]:-0})) "${health:-none}" $((SECONDS - began)) "$healthy" || code=$?
      case $code in
        0) say "$name is healthy after $((SECONDS - began)) s"; announce_staged "$id" ;;
        1) give_up_staged ;;
        *) still+=("$name") ;;
      esac
    done
    waiting=("${still[@]}")
    [ ${#waiting[@]} -eq 0 ] || sleep 0.25
  done
  for name in "${starting[@]}"; do
    choose_service "$name"
    wait_ready "${staged[$name]}" $((began + healthy)) || give_up_staged
  done
  check_staged
}
# The edge finds and checks it while others are waited for, so that its turn takes less time.
announce_staged() {
  [ -z "$routed" ] || edge_admin "$(enter_commands "${waiting_slots[$service]}" "$(container_name "$1")")" >/dev/null || true
}
# One that was healthy may have crashed while others were waited for.
check_staged() {
  local id state restarts
  local -A states=()
  while read -r state restarts _ id; do states[$id]="$state $restarts"; done < <(container_states "${staged[@]}")
  for name in "${starting[@]}"; do
    choose_service "$name"
    id=${staged[$name]}
    [ "${states[$id]:-}" != "running ${restarts_of[$id]:-0}" ] || continue
    problem="crashed while others started: exit code $(docker inspect -f '{{.State.ExitCode}}' "$id" 2>/dev/null || true)"
    give_up_staged
  done
}
give_up_staged() {
  local failed=$service
  say "$service: the new container $problem; its last lines:" >&2
  last_lines "${staged[$service]}" "$service"
  for name in "${!staged[@]}"; do
    # What ran before this step began is somebody's way back, or the next run's beginning.
    [ "$name" = "$failed" ] || ! known_running "${staged[$name]}" || continue
    docker rm -f "${staged[$name]}" >/dev/null || true
    choose_service "$name"
    [ -z "$routed" ] || edge_admin "$(idle_commands "${waiting_slots[$name]}")" >/dev/null || true
    return_volumes "${serving[$name]}"
  done
  say "all new containers are removed; no request has reached one of them" >&2
  exit 20
}
# What no longer serves ends: requests in flight first, those of all services at the same time.
drain_together() {
  local name old former former_name rows ids=() slots=()
  local -A stopping=()
  read_containers
  for name in "${services[@]}"; do choose_service "$name"; find_leaving; done
  [ ${#slots[@]} -eq 0 ] || wait_drained
  rm -f .switched
  [ ${#ids[@]} -eq 0 ] || end_leaving
  [ ${#slots[@]} -eq 0 ] || idle_drained
}
# In one command for all of them.
idle_drained() {
  local name commands=''
  for name in "${slots[@]}"; do
    choose_service "${name%/*}"
    commands+="$(idle_commands "${name#*/}"); "
    write_slot "${name#*/}" idle.invalid
  done
  edge_admin "${commands%; }" >/dev/null
}
find_leaving() {
  local id s admin_state leaving=()
  # The edge may need a moment: until something is known to serve, nothing is taken out of use.
  for _ in {1..20}; do
    find_in_use
    [ -z "$old" ] || break
    sleep 0.5
    read_containers
  done
  [ -n "$old" ] || fail "$service: no new container serves, so the old one stays"
  for s in "${leaving[@]}"; do
    # An edge that restarted since the switch may send requests there.
    read -r _ _ admin_state _ < <(known_slot "$rows" "$s") || true
    ! takes_traffic "$admin_state" || edge_admin "set server $be/$s state drain" >/dev/null
    slots+=("$service/$s")
  done
  for id in $(containers_of "$service"); do
    [ "$id" != "$old" ] && [ "$id" != "$former" ] || continue
    ids+=("$id")
    stopping[$grace]+=" $id"
  done
}
find_in_use() {
  former='' former_name=''
  if [ -n "$routed" ]; then
    rows=$(slot_rows) || exit
    find_former
    find_slots
  else
    find_wanted
  fi
}
find_wanted() {
  local id
  old=
  for id in $(containers_of "$service"); do
    if known_wanted "$id" && known_running "$id"; then old=$id; return; fi
  done
}
# Sets `old`: what is wanted and takes traffic (2: well, 3: not well), and `leaving`: the slots that name anything else.
find_slots() {
  local s op admin_state name
  old='' leaving=()
  for s in s1 s2; do
    read -r _ op admin_state name < <(known_slot "$rows" "$s") || true
    [ "${name:-idle.invalid}" != idle.invalid ] || continue
    if [ -z "$old" ] && [[ $op == [23] ]] && takes_traffic "$admin_state" && known_wanted "${id_of[$name]:-}"; then
      old=${id_of[$name]}
    else
      leaving+=("$s")
    fi
  done
}
# Requests that are open on any of these slots.
open_sessions() {
  edge_answer "show stat -1 4 -1" |
    awk -F, -v wanted=" ${slots[*]} " '{sub(/^be_/, "", $1)} index(wanted, " " $1 "/" $2 " "){open+=$5} END{print open+0}'
}
# Since the last switch; what an earlier run left there by a switch has had its time.
wait_drained() {
  local now since deadline open
  now=$(date +%s)
  since=$(cat .switched 2>/dev/null) || since=$now
  [[ $since =~ ^[0-9]+$ && $since -le $now ]] || since=$now
  deadline=$((SECONDS + drain - now + since))
  while open=$(open_sessions) && [ "$open" -gt 0 ]; do
    if [ $SECONDS -ge $deadline ]; then
      say "$open connections still open after $drain s are cut"
      for name in "${slots[@]}"; do edge_admin "shutdown sessions server be_$name" >/dev/null; done
      return
    fi
    sleep 0.2
  done
}
end_leaving() {
  local seconds id notes=()
  # A run that comes while they stop takes none of them for one that runs.
  for id in "${ids[@]}"; do notes+=("$id" leaving); done
  note_made "${notes[@]}"
  for seconds in "${!stopping[@]}"; do
    # shellcheck disable=SC2086  # ids, one word each
    docker stop -t "$seconds" ${stopping[$seconds]} >/dev/null &
  done
  wait
  docker rm -f "${ids[@]}" >/dev/null
}
