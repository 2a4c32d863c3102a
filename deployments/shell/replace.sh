# shellcheck shell=bash
# Replacing one service's container.
# Reads: be grace healthy image made_from_of name_of order ready service user variable

# Healthy means that it runs; ready, that it does its work.
wait_ready() {
  local id=$1 deadline=$2 before=${restarts_of[$1]:-0} said state restarts
  [ ${#ready[@]} -gt 0 ] || return 0
  until said=$(timeout 20 docker exec "$id" "${ready[@]}" 2>&1 </dev/null); do
    read -r state restarts _ < <(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$id" 2>/dev/null) || { problem="is gone"; return 1; }
    [ "$state $restarts" = "running $before" ] || { problem="crashes before it is ready: exit code $(docker inspect -f '{{.State.ExitCode}}' "$id")"; return 1; }
    [ $SECONDS -lt "$deadline" ] || { problem="is not ready within $healthy s: $(tail -n 1 <<< "$said" | cut -c1-200)"; return 1; }
    sleep 0.5
  done
}
give_up_new() {
  local new=$1
  say "$service: the new container $problem; its last lines:" >&2
  last_lines "$new" "$service"
  docker rm -f "$new" >/dev/null || true
  [ -z "${entered:-}" ] || idle_slot "$entered"
  return_volumes "$old"
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    docker start "$old" >/dev/null
    note_made "$old" "${made_from_of[$old]#* }"
    [ -z "$routed" ] || wait_healthy "$old" "$healthy" || true
    say "started the former container again"
  fi
  exit 20
}
start_new() {
  local began=$SECONDS
  if ! known_running "$new"; then
    docker start "$new" >/dev/null || { problem="does not start"; give_up_new "$new"; }
    say "started $(container_name "$new")"
  fi
  wait_healthy "$new" "$healthy" "${restarts_of[$new]:-0}" || give_up_new "$new"
  wait_ready "$new" $((began + healthy)) || give_up_new "$new"
}
# later: the old one is drained with those of other services, in a step of its own.
replace_service() {
  local old new former former_name slot entered
  read_containers
  find_containers
  if known_wanted "$old"; then
    say "${name_of[$old]} runs already"
    [ -z "$former_name" ] || remove_former
    set_env "$variable" "$image"
    return
  fi
  if known_wanted "$former" && serves_well "$former" && return_to_former; then return; fi
  export "$variable=$image"
  if [ -z "$new" ]; then
    own_volumes '' "$image" "$user"
    create_another
  fi
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    say "stopping ${name_of[$old]}"
    note_made "$old" leaving
    docker stop -t "$grace" "$old" >/dev/null
  fi
  start_new
  if [ -n "$routed" ]; then
    local free name
    free=$(free_slot)
    name=$(container_name "$new")
    enter_slot "$free" "$name" || give_up_new "$new"
    say "$name serves"
    # Only now: until something else serves, it may be the one that does.
    [ -z "$former_name" ] || remove_former
    if keep_old; then return; fi
  fi
  if [ -n "$later" ] && [ "$order" = start-first ]; then
    if [ -n "$slot" ]; then
      edge_admin "set server $be/$slot state drain" >/dev/null
      # An edge that restarts meanwhile sends nobody there again.
      write_slot "$slot" idle.invalid
      # From now on open requests have their time: others are switched meanwhile.
      date +%s > .switched
    fi
  else
    [ -z "$slot" ] || drain_slot "$slot"
    remove_old
  fi
  set_env "$variable" "$image"
}
remove_old() {
  if [ -n "$old" ]; then
    [ "$order" = stop-first ] || note_made "$old" leaving
    docker stop -t "$grace" "$old" >/dev/null
    docker rm "$old" >/dev/null
  fi
  if [ -n "$slot" ]; then idle_slot "$slot"; fi
}
