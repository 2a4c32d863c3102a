# shellcheck shell=bash
# The edge with another file, which switches maintenance; the note of it comes last.

# The edge's service and file, on or off, the ports of its routes.
switch_edge() {
  local service=$1 config=$2 wanted=$3
  shift 3
  put_out edge/haproxy.cfg printf %s "$config"
  reload_edge "$service"
  await_answers "$service" "$wanted" "$@" || fail "the edge goes on with its old configuration"
}
# Until each port answers with maintenance, or otherwise: the worker of before may take one more request.
await_answers() {
  local id
  id=$(container_ids "$1" | head -n 1)
  shift
  # shellcheck disable=SC2016  # the container's own shell expands it
  docker exec "$id" bash -c '
    wanted=$1
    shift
    for port; do
      for try in {1..50}; do
        found=off
        answer=$( { exec 3<>"/dev/tcp/127.0.0.1/$port" && printf "HEAD / HTTP/1.0\r\n\r\n" >&3 && timeout 5 cat <&3; } 2>/dev/null ) || true
        [[ ${answer,,} != *x-edge-maintenance:* ]] || found=on
        [ "$found" != "$wanted" ] || continue 2
        sleep 0.2
      done
      exit 1
    done' _ "$@"
}
# The host's clock fills in since when it is on.
note_maintenance() { put_out .maintenance say "${1//@AT@/$(now)}"; }
forget_maintenance() { rm -f .maintenance; }
