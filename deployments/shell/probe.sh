# shellcheck shell=bash
# Asking containers from the inside.

ask_container() {
  local name=$1 service=$2 id code=0 answer
  shift 2
  id=$(container_ids "$service" | head -n 1)
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  answer=$(timeout 20 docker exec "$id" "$@" 2>&1 </dev/null | tail -c 100000) || code=$?
  say "$code $answer" | emit "$name"
}
# Its last line of the last seconds that fits: of its output, and of files that were written in that time.
emit_logged() {
  local name=$1 service=$2 seconds=$3 files=$4 id found
  shift 4
  id=$(container_ids "$service" | head -n 1)
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  # shellcheck disable=SC2016  # the inner shell's own variables
  found=$({
    docker logs --since "${seconds}s" "$id" 2>&1 || true
    [ -z "$files" ] || timeout 20 docker exec "$id" sh -c '
      for file in $1; do
        [ -f "$file" ] && [ $(($(date +%s) - $(stat -c %Y "$file"))) -le "$0" ] && tail -n 20 "$file"
      done' "$seconds" "$files" 2>/dev/null </dev/null || true
  } | grep -E "$@" | tail -n 1 | cut -c1-300) || true
  if [ -n "$found" ]; then say "1 $found"; else say "0 "; fi | emit "$name"
}
emit_last_lines() {
  local id
  id=$(container_ids "$1" | head -n 1)
  [ -n "$id" ] || return 0
  { docker logs --tail 20 "$id" 2>&1 || true; } | emit "last:$1"
}
emit_restarts() {
  local id up wait=$2
  # The newest: an older one may be kept through a window, and is not asked about.
  id=$(container_ids "$1" | head -n 1)
  [ -n "$id" ] || return 0
  up=$(( $(date +%s) - $(date -d "$(docker inspect -f '{{.State.StartedAt}}' "$id")" +%s) ))
  [ $up -ge "$wait" ] || sleep $((wait - up))
  docker inspect -f '{{.RestartCount}} {{.State.Status}}' "$id" | emit "restarts:$1"
}
