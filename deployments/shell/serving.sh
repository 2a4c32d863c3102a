# shellcheck shell=bash
# Which container of a service is in use, and which one was made to follow it.
# Reads: grace name_of service

# The container of the release before, where a window keeps one: its name and id.
find_former() {
  former_name=$(known_slot "$rows" former | awk '{print $4}') former=
  [ "${former_name:-idle.invalid}" != idle.invalid ] || { former_name=; return 0; }
  former=${id_of[$former_name]:-}
}
# Nobody is sent there any more, and it goes.
remove_former() {
  [ -z "$former_name" ] || idle_slot former
  [ -z "$former" ] || docker stop -t "$grace" "$former" >/dev/null 2>&1 || true
  [ -z "$former" ] || docker rm -f "$former" >/dev/null 2>&1 || true
  [ -z "$former" ] || forget_containers "$former"
  former_name='' former=''
}
# Beside one that was made for this change it is the other one.
running_one() {
  local id wanted=
  for id in $(containers_of "$service"); do
    known_running "$id" || continue
    if known_wanted "$id"; then wanted=${wanted:-$id}; else say "$id"; return; fi
  done
  say "$wanted"
}
# One that was started by hand serves on a port of its own, until the edge has its successor.
find_by_hand() {
  local id
  for id in $(containers_of "$service"); do
    if known_running "$id" && [ "$(docker inspect -f '{{len .HostConfig.PortBindings}}' "$id")" != 0 ]; then old=$id; break; fi
  done
}
# Behind the edge. Sets `slot` and `old`; everything else is tidied away, but for one that is wanted:
# it has served before, and an undo returns to it. Sets `entered`: the slot that one of these is in, without requests.
find_serving() {
  local s name id admin_state
  slot='' old='' entered=''
  for s in s1 s2; do
    read -r _ _ admin_state name < <(known_slot "$rows" "$s") || true
    [ "${name:-idle.invalid}" != idle.invalid ] || continue
    id=${id_of[$name]:-}
    # A file that was written by hand names the service, which Docker's own DNS knows.
    if [ "$name" = "$service" ] && [ -z "$id" ]; then id=$(running_one); fi
    if [ -z "$old" ] && known_running "$id" && takes_traffic "$admin_state"; then
      slot=$s old=$id
    elif [ -n "$id" ] && [ "$id" = "$former" ]; then
      idle_slot "$s"
    elif [ -n "$id" ] && known_wanted "$id" && known_unharmed "$id"; then
      if [ -z "$entered" ]; then entered=$s; else idle_slot "$s"; fi
    else
      say "an earlier replacement left $name in slot $s: tidied away"
      if [ -n "$id" ]; then
        drain_slot "$s"
        docker stop -t "$grace" "$id" >/dev/null
        docker rm -f "$id" >/dev/null
        forget_containers "$id"
      fi
      idle_slot "$s"
    fi
  done
  # It came back already: what serves is not kept for anything.
  if [ -n "$former" ] && [ "$former" = "$old" ]; then
    idle_slot former
    former='' former_name=''
  fi
}
# Sets `new`: one that was made for this change and that nobody uses yet. What else does not serve goes.
find_prepared() {
  local id
  new=
  for id in $(containers_of "$service"); do
    [ "$id" != "$old" ] && [ "$id" != "$former" ] || continue
    if [ -z "$new" ] && ! known_wanted "$old" && known_wanted "$id" && known_unharmed "$id"; then new=$id; continue; fi
    say "removing ${name_of[$id]}: it does not serve"
    ! known_running "$id" || docker stop -t "$grace" "$id" >/dev/null
    docker rm -f "$id" >/dev/null
    forget_containers "$id"
  done
}
# Sets `old`, `new`, `former`, `slot` and `entered`, and tidies up what an earlier replacement left.
find_containers() {
  local rows
  former='' former_name='' slot='' entered=''
  if [ -n "$routed" ]; then
    rows=$(slot_rows) || exit
    find_former
    find_serving
    [ -n "$old" ] || find_by_hand
  else
    old=$(running_one)
  fi
  find_prepared
  [ -z "$entered" ] || check_entered
}
# What was removed, or is not what follows, is in no slot.
check_entered() {
  local name
  name=$(known_slot "$rows" "$entered" | awk '{print $4}')
  if [ -n "$new" ] && [ "${name_of[$new]}" = "$name" ]; then return; fi
  idle_slot "$entered"
  entered=
}
# The slot that nothing serves in; where the new container is in one already, that one.
free_slot() {
  if [ -n "$entered" ]; then say "$entered"; elif [ "$slot" = s1 ]; then say s2; else say s1; fi
}
