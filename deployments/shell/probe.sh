# shellcheck shell=bash
# Asking containers from the inside.
# Reads: listed

# The newest of a service, of those in `listed`: an older one may be kept through a window, and is not
# asked about.
newest_container() {
  local id name
  while read -r id name; do
    if [ "$name" = "$1" ]; then say "$id"; return; fi
  done <<< "$listed"
}
# Questions at the same time, four at most, since a small server has little memory; their answers in order.
asked=()
ask_beside() {
  local answer
  exec {answer}< <("$@")
  asked+=("$answer")
  [ ${#asked[@]} -lt 4 ] || answer_all
}
answer_all() {
  local each
  for each in "${asked[@]}"; do
    cat <&"$each"
    exec {each}<&-
  done
  asked=()
}
ask_container() {
  local name=$1 service=$2 id code=0 answer
  shift 2
  id=$(newest_container "$service")
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  answer=$(timeout 20 docker exec "$id" "$@" 2>&1 </dev/null | tail -c 100000) || code=$?
  say "$code $answer" | emit "$name"
}
# Its last line of the last seconds that fits: of its output, and of files that were written in that time.
emit_logged() {
  local name=$1 service=$2 seconds=$3 files=$4 id found
  shift 4
  id=$(newest_container "$service")
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
# How often each was restarted, once all have been up for so many seconds. It begins here, and its
# answer is read by `answer_restarts`: others are asked meanwhile.
ask_restarts() { exec {restarts}< <(emit_restarts "$@"); }
answer_restarts() { cat <&"$restarts"; }
emit_restarts() {
  local wait=$1 name id ids=() started up count state
  local -A name_of=()
  shift
  for name in "$@"; do
    id=$(newest_container "$name")
    [ -z "$id" ] || ids+=("$id") name_of[$id]=$name
  done
  [ ${#ids[@]} -gt 0 ] || return 0
  started=$(docker inspect -f '{{.State.StartedAt}}' "${ids[@]}" | sort | tail -n 1)
  up=$(( $(date +%s) - $(date -d "$started" +%s) ))
  [ $up -ge "$wait" ] || sleep $((wait - up))
  docker inspect -f '{{.RestartCount}} {{.State.Status}} {{.ID}}' "${ids[@]}" | while read -r count state id; do
    say "$count $state" | emit "restarts:${name_of[$id]}"
  done
}
