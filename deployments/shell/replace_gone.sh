# shellcheck shell=bash
# Removing a service that the release no longer has.

# The Compose file that named its `stop_grace_period` is gone, its containers know it. Words: service, longest.
remove_service() {
  local id grace
  while read -r id; do
    [ -n "$id" ] || continue
    grace=$(docker inspect -f '{{with .Config.StopTimeout}}{{.}}{{else}}30{{end}}' "$id" 2>/dev/null) || continue
    [ "$grace" -le "$2" ] || grace=$2
    docker stop -t "$grace" "$id" >/dev/null || true
    docker rm -f "$id" >/dev/null || true
  done <<< "$(container_ids "$1")"
  [ -z "$(container_ids "$1")" ] || fail "containers of $1 cannot be removed"
}
