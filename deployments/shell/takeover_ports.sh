# shellcheck shell=bash
# The handover of published ports to the edge.
# Reads: healthy holders

milliseconds() { date +%s%3N; }
# Where the edge will publish a port; every address means that this one does too.
address_of() {
  local found
  found=$(docker inspect -f '{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{.HostIp}}{{println}}{{end}}{{end}}' "$edge" 2>/dev/null | awk -v port="$1" '$1==port && !n++{print $2}') || found=
  case $found in ''|0.0.0.0|::) say 127.0.0.1 ;; *) say "$found" ;; esac
}
port_answers() {
  local line
  ( exec 3<>"/dev/tcp/$3/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 &&
    read -r -t 2 line <&3 && [[ $line == HTTP/*\ [23]* ]] ) 2>/dev/null
}
# The longest time, in ms, between two answers of a port.
longest_silence() {
  local last worst=0 now ever=
  last=$(milliseconds)
  while [ -e .handing-over ]; do
    if port_answers "$1" "$2" "$3"; then
      now=$(milliseconds) ever=yes
      [ $((now - last)) -le $worst ] || worst=$((now - last))
      last=$now
    fi
    sleep 0.03
  done
  [ -n "$ever" ] || { say "port $1 of $3 did not answer at all"; return; }
  say "port $1 did not answer for $((worst / 1000)).$(printf %03d $((worst % 1000))) s"
}
back_to_old() {
  local id
  say "$1" >&2
  docker stop -t 1 "$edge" >/dev/null 2>&1 || true
  for id in $old; do docker start "$id" >/dev/null || true; done
  say "the ports are with the old containers again" >&2
  exit 20
}
hand_over_ports() {
  local edge_service=$1 edge_variable=$2 edge_image=$3 edge_hash=$4 service port image hash new id deadline
  local old="$holders" all=() watched=() at=()
  shift 4
  # Five words a route: service, port inside, image, hash, published port with its path or -.
  while [ $# -gt 0 ]; do
    service=$1 port=$2 image=$3 hash=$4
    be=be_$service
    new=$(wanted_container "$service" "$image" "$hash")
    [ -n "$new" ] || fail "there is no new container of $service"
    write_slot s1 "$(container_name "$new")"
    write_slot s2 idle.invalid
    for id in $(container_ids "$service"); do [ "$id" = "$new" ] || old+=" $id"; done
    [ "$5" = - ] || watched+=("$5")
    shift 5
  done
  old=$(tr ' ' '\n' <<< "$old" | grep . | sort -u || true)
  export "$edge_variable=$edge_image"
  compose up --no-start --no-deps "$edge_service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  edge=$(container_ids "$edge_service" | head -n 1)
  note_made "$edge" "$edge_hash"
  : > .handing-over
  for id in "${watched[@]}"; do
    at[${id%%/*}]=$(address_of "${id%%/*}")
    longest_silence "${id%%/*}" "/${id#*/}" "${at[${id%%/*}]}" & all+=($!)
  done
  sleep 0.2
  for id in $old; do docker stop -t 5 "$id" >/dev/null & all_stops+=($!); done
  wait "${all_stops[@]}" || true
  docker start "$edge" >/dev/null 2>.create || { problem=$(cat .create); rm -f .handing-over; back_to_old "the edge does not start: $problem"; }
  deadline=$((SECONDS + 30))
  for id in "${watched[@]}"; do
    until port_answers "${id%%/*}" "/${id#*/}" "${at[${id%%/*}]}"; do
      [ $SECONDS -lt $deadline ] || { rm -f .handing-over; back_to_old "port ${id%%/*} does not answer through the edge"; }
      sleep 0.05
    done
  done
  sleep 0.2
  rm -f .handing-over .create
  wait "${all[@]}" || true
  wait_healthy "$edge" "$healthy" || back_to_old "the edge $problem"
  for id in $old; do docker rm -f "$id" >/dev/null; done
}
