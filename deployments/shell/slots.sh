# shellcheck shell=bash
# The edge's two slots of a service, at run time and in its file.
# Reads: be drain edge healthy port

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
# Of each server its name, address, state, administrative state, container, how well its checks went, and port.
# Right after a reload the old worker may answer, which does not know a new backend.
# A word: commands that come before the question.
slot_rows() {
  local rows
  for _ in {1..40}; do
    rows=$(edge_answer "${1:-}show servers state $be" | awk '{print $4, $5, $6, $7, $18, $13, $19}') || return
    if grep -q '^s1 ' <<< "$rows" && grep -q '^s2 ' <<< "$rows"; then say "$rows"; return; fi
    sleep 0.5
  done
  fail "the edge has no backend $be with two slots"
}
known_slot() { awk -v s="$2" '$1==s{print $2, $3, $4, $5}' <<< "$1"; }
slot_port() { awk -v s="$2" '$1==s{print $7}' <<< "$1"; }
slot_row() {
  local rows
  rows=$(slot_rows) || return
  known_slot "$rows" "$1"
}
# Bits of the administrative state that keep traffic away: forced or inherited maintenance,
# drain, no address. The others (4: began disabled, 64: renamed at run time) only inform.
takes_traffic() { [ -n "$1" ] && [ $(($1 & 59)) = 0 ]; }
slot_ready() { takes_traffic "$(slot_row "$1" | awk '{print $3}')"; }
slot_sessions() { edge_answer "show stat $be 4 -1" | awk -F, -v s="$1" '$2==s{print $5}'; }
write_slot() {
  # shellcheck disable=SC2016  # awk's own variables
  put_out edge/haproxy.cfg awk -v be="backend $be" -v slot="$1" -v name="$2" -v port="$port" '
    /^backend /{inside=($0==be)}
    inside && $1=="server" && $2==slot {print "    server " slot " " name ":" port " check" (slot=="former" ? " backup" : "") (name=="idle.invalid" ? " disabled" : ""); next}
    {print}' edge/haproxy.cfg
}
idle_commands() { say "set server $be/$1 state maint; set server $be/$1 fqdn idle.invalid"; }
idle_slot() {
  edge_admin "$(idle_commands "$1")" >/dev/null
  write_slot "$1" idle.invalid
}
# How the edge's check of a slot ended last: such as L4CON, or L7STS and the status that was answered;
# L7OKC of an edge that lets what is not well serve where nothing else does.
slot_check() {
  # shellcheck disable=SC2016  # awk's own variables
  edge_answer "show stat $be 4 -1" | awk -F, -v s="$1" '$2==s{sub(/^\* /, "", $37); print $37, $38}'
}
# Whether a container without a health check of its own may still be starting: it runs, and has not
# answered with an error. A port may be open before anybody answers there.
still_starting() {
  [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}} {{if .State.Health}}checked{{end}}' "$2" 2>/dev/null)" = "running 0 " ] &&
    [[ $(slot_check "$1") != @(L7STS|L7OKC|L7RSP)* ]]
}
describe_unreached() {
  local kind status
  read -r kind status < <(slot_check "$1") || true
  problem="is not reached by the edge: address $2, state $3"
  [[ $kind != @(L7STS|L7OKC) ]] || problem="answers $status to the edge's health check: the route's \`health\` under x-deploy names its path"
  [ "$kind" != L4CON ] || problem="is not reached by the edge: nothing listens on port $port of its address $2; on 127.0.0.1 alone, or too late?"
}
# The edge checks this container from now on, and sends no request to it: the weight says so to
# the rules that send to one that is not well.
enter_commands() { say "set server $be/$1 fqdn $2; set server $be/$1 weight 0; set server $be/$1 state drain; "; }
serve_commands() { say "set server $be/$1 weight 1; set server $be/$1 state ready; "; }
# `healthy`: the seconds that a container may take to start.
enter_slot() {
  local slot=$1 name=$2 deadline=$((SECONDS + 20)) limit=$healthy began=$SECONDS rows own checks addr op admin_state fqdn
  local tries=0 enter='' sent
  [ "${entered:-}" = "$slot" ] || enter=$(enter_commands "$slot" "$name")
  # For a moment the edge goes on with the address of whoever was in the slot before.
  own=" $(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$name" 2>/dev/null) " || own=
  while :; do
    rows=$(slot_rows "$enter") || exit
    sent=$enter
    read -r addr op admin_state fqdn < <(known_slot "$rows" "$slot") || true
    enter=
    # Right after a reload, or a restart of the edge, it knows nothing of it.
    [ "$fqdn" = "$name" ] || enter=$(enter_commands "$slot" "$name")
    checks=$(awk -v s="$slot" '$1==s{print $6}' <<< "$rows")
    if [ "$fqdn" = "$name" ] && [[ $own == *" $addr "* ]] && [ "$(slot_port "$rows" "$slot")" != "$port" ]; then
      # A slot has the port of whoever was in it; the edge changes it only where it knows the address.
      enter="set server $be/$slot addr $addr port $port; "
    elif [ "$op" = 2 ] && [ "$fqdn" = "$name" ] && [[ $own == *" $addr "* ]]; then
      if takes_traffic "$admin_state"; then break; fi
      # It counts as up until its first check ends, and so gets no request before. Where one failure is
      # enough to be down, no check counts for more.
      if [ "${checks:-0}" -gt 1 ] || [ $tries -ge 10 ]; then enter=$(serve_commands "$slot"); fi
      tries=$((tries + 1))
    fi
    if [ $SECONDS -ge $deadline ]; then
      if [ $((SECONDS - began)) -ge "$limit" ] || ! still_starting "$slot" "$name"; then
        describe_unreached "$slot" "$addr" "$op"
        idle_slot "$slot"
        return 1
      fi
      deadline=$((SECONDS + 5))
    fi
    [ -n "$enter" ] && [ "$enter" != "$sent" ] || sleep 0.2
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
