# shellcheck shell=bash
# The edge reads its configuration again.

reload_edge() {
  local id checked
  id=$(container_ids "$1" | head -n 1)
  checked=$(docker exec "$id" haproxy -c -f /usr/local/etc/haproxy/haproxy.cfg 2>&1) || fail "the edge refuses its new configuration: $checked"
  # From the inside: a container that got a signal by `docker kill` counts as stopped by hand, and
  # Docker leaves it down when it crashes or the server restarts.
  docker exec "$id" bash -c 'kill -USR2 1'
  rm -f .edge-unread
}
