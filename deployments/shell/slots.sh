# shellcheck shell=bash
# The edge's two slots of a service, at run time and in its file.
# Reads: be drain edge grace port service

edge_admin() {
  docker exec "$edge" bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999; printf "%s\n" "$1" >&3; cat <&3' _ "$1"
}
# A worker that just goes, after a reload, takes a connection and answers nothing: that is no answer.
edge_answer() {
  local said try
  for try in 1 2 3 4 5 6 7 8 9 10; do
    said=$(edge_admin "$1" 2>/dev/null) || said=
    if [ -n "$said" ]; then say "$said"; return; fi
    sleep 0.3
  done
  fail "the edge does not answer"
}
# Of each server its name, address, state, administrative state and container.
slot_rows() { edge_answer "show servers state $be" | awk '{print $4, $5, $6, $7, $18}'; }
known_slot() { awk -v s="$2" '$1==s{print $2, $3, $4, $5}' <<< "$1"; }
slot_row() {
  local rows
  rows=$(slot_rows) || return
  known_slot "$rows" "$1"
}
slot_name() { slot_row "$1" | awk '{print $4}'; }
# Bits of the administrative state that keep traffic away: forced or inherited maintenance,
# drain, no address. The others (4: began disabled, 64: renamed at run time) only inform.
takes_traffic() { [ -n "$1" ] && [ $(($1 & 59)) = 0 ]; }
slot_ready() { takes_traffic "$(slot_row "$1" | awk '{print $3}')"; }
# The container of the release before, where a window keeps one: its name and id.
find_former() {
  former_name=$(slot_name former) former=
  [ "${former_name:-idle.invalid}" != idle.invalid ] || { former_name=; return 0; }
  former=$(docker inspect -f '{{.Id}}' "$former_name" 2>/dev/null) || former=
}
# Nobody is sent there any more, and it goes.
remove_former() {
  [ -z "$former_name" ] || idle_slot former
  [ -z "$former" ] || docker stop -t "$grace" "$former" >/dev/null 2>&1 || true
  [ -z "$former" ] || docker rm -f "$former" >/dev/null 2>&1 || true
  former_name='' former=''
}
slot_sessions() { edge_answer "show stat $be 4 -1" | awk -F, -v s="$1" '$2==s{print $5}'; }
write_slot() {
  # shellcheck disable=SC2016  # awk's own variables
  put_out edge/haproxy.cfg awk -v be="backend $be" -v slot="$1" -v name="$2" -v port="$port" '
    /^backend /{inside=($0==be)}
    inside && $1=="server" && $2==slot {print "    server " slot " " name ":" port " check" (slot=="former" ? " backup" : "") (name=="idle.invalid" ? " disabled" : ""); next}
    {print}' edge/haproxy.cfg
}
idle_slot() {
  edge_admin "set server $be/$1 state maint; set server $be/$1 fqdn idle.invalid" >/dev/null
  write_slot "$1" idle.invalid
}
enter_slot() {
  local slot=$1 name=$2 deadline=$((SECONDS + 20)) addr op admin_state fqdn
  edge_admin "set server $be/$slot fqdn $name; set server $be/$slot state ready" >/dev/null
  while :; do
    read -r addr op admin_state fqdn < <(slot_row "$slot") || true
    [ "$op" = 2 ] && [ "$fqdn" = "$name" ] && [ "$addr" != - ] && takes_traffic "$admin_state" && break
    [ $SECONDS -lt $deadline ] || { idle_slot "$slot"; problem="is not reached by the edge: address $addr, state $op"; return 1; }
    sleep 0.2
  done
  write_slot "$slot" "$name"
}
drain_slot() {
  local slot=$1 deadline=$((SECONDS + drain)) open
  edge_admin "set server $be/$slot state drain" >/dev/null
  ! slot_ready "$slot" || edge_admin "set server $be/$slot state drain" >/dev/null
  while open=$(slot_sessions "$slot") && [ "${open:-0}" -gt 0 ]; do
    if [ $SECONDS -ge $deadline ]; then
      say "$open connections still open after $drain s are cut"
      edge_admin "shutdown sessions server $be/$slot" >/dev/null
      break
    fi
    sleep 0.2
  done
}
first_running() {
  local id
  for id in $(container_ids "$service"); do
    if is_running "$id"; then say "$id"; return; fi
  done
}
# One that was started by hand serves on a port of its own, until the edge has its successor.
find_by_hand() {
  local id
  for id in $(container_ids "$service"); do
    if is_running "$id" && [ "$(docker inspect -f '{{len .HostConfig.PortBindings}}' "$id")" != 0 ]; then old=$id; break; fi
  done
}
# What serves now: sets `slot` and `old`; everything else of the service is tidied away, but for one
# that is wanted: it has served before, and an undo returns to it.
find_serving() {
  local s name id rows
  slot='' old=''
  rows=$(slot_rows) || exit
  for s in s1 s2; do
    name=$(known_slot "$rows" "$s" | awk '{print $4}')
    [ "$name" != idle.invalid ] || continue
    id=$(docker inspect -f '{{.Id}}' "$name" 2>/dev/null) || id=
    # A file that was written by hand names the service, which Docker's own DNS knows.
    if [ "$name" = "$service" ] && [ -z "$id" ]; then id=$(first_running); fi
    if [ -z "$old" ] && [ -n "$id" ] && is_running "$id" && takes_traffic "$(known_slot "$rows" "$s" | awk '{print $3}')"; then
      slot=$s old=$id
    elif [ -n "$id" ] && { [ "$id" = "${former:-}" ] || { is_wanted "$id" && may_serve "$id"; }; }; then
      idle_slot "$s"
    else
      say "an earlier replacement left $name in slot $s: tidied away"
      [ -z "$id" ] || { drain_slot "$s"; docker stop -t "$grace" "$id" >/dev/null; docker rm -f "$id" >/dev/null; }
      idle_slot "$s"
    fi
  done
  # It came back already: what serves is not kept for anything.
  if [ -n "${former:-}" ] && [ "$former" = "$old" ]; then
    idle_slot former
    former='' former_name=''
  fi
}
