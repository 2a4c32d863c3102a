# shellcheck shell=bash
# The container of the release before, kept through a window.
# Reads: be grace image name_of problem service variable

# The old container stays: what is open there goes on, and it takes over when the new one is gone.
keep_old() {
  [ -n "$keep" ] && [ -n "$old" ] && [ -n "$slot" ] || return 1
  edge_admin "set server $be/$slot state drain" >/dev/null
  # It runs since long: it is not waited for as one that starts. Its port may be another one than that of its successor.
  healthy=0 port=$(port_in "$slot") enter_slot former "${name_of[$old]}" || { say "${name_of[$old]} is not kept: it $problem"; return 1; }
  idle_slot "$slot"
  say "${name_of[$old]} is kept through the window"
  set_env "$variable" "$image"
}
port_in() {
  local rows
  rows=$(slot_rows) || return
  slot_port "$rows" "$1"
}
serves_well() {
  case $(docker inspect -f '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$1" 2>/dev/null) in
    "running healthy"|"running none") ;;
    *) return 1 ;;
  esac
}
# The container that was kept serves again: nothing has to start first.
return_to_former() {
  local free back=$former_name
  free=$(free_slot)
  healthy=0 port=$(port_in former) enter_slot "$free" "$back" || { say "$back, which was kept, $problem: another is started"; return 1; }
  idle_slot former
  say "$back serves again"
  [ -z "$slot" ] || drain_slot "$slot"
  if [ -n "$old" ]; then
    docker stop -t "$grace" "$old" >/dev/null
    docker rm -f "$old" >/dev/null
  fi
  [ -z "$slot" ] || idle_slot "$slot"
  set_env "$variable" "$image"
}
former_in_use() {
  local s
  for s in s1 s2; do
    if [ "$(slot_row "$s" | awk '{print $2}')" = 2 ] && slot_ready "$s"; then return; fi
  done
  return 1
}
# Behind the kept one nobody sees a new one that does not answer: it is asked for once more.
let_former_go() {
  local deadline=$((SECONDS + 10)) rows former former_name
  until former_in_use; do
    [ $SECONDS -lt $deadline ] || fail "$service: the release before serves again, since the new container does not answer the edge"
    sleep 0.5
  done
  read_containers
  rows=$(slot_rows) || exit
  find_former
  [ -z "$former_name" ] || remove_former
}
