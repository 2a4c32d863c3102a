# shellcheck shell=bash
# What every script on the host starts with.
# Reads: project

set -euo pipefail
umask 077
compose() {
  docker compose -p "$project" --project-directory . -f compose.yml \
    --env-file .env --env-file secrets.env "$@"
}
say() { printf '%s\n' "$*"; }
# For the deployer and not for people, on a line of its own: what an application prints knows no
# `channel`. Where no deployer listens, there is none.
result() {
  local kind=$1 word words=
  [ -n "${channel:-}" ] || return 0
  shift
  for word in "$@"; do words+=" =$(printf %s "$word" | base64 -w0)"; done
  printf '\n@%s %s%s\n' "$channel" "$kind" "$words"
}
fail() { printf '%s\n' "$*" >&2; exit 20; }
container_ids() {
  docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False
}
# Of each container its id and service.
project_containers() {
  docker ps -a --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False --format '{{.ID}} {{.Label "com.docker.compose.service"}}'
}
container_name() { docker inspect -f '{{.Name}}' "$1" | cut -c2-; }
is_running() { [ "$(docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }
# A container and its name: Docker may be removing it already, and then refuses, and takes a moment.
remove_container() {
  ! docker rm -f "$1" >/dev/null 2>&1 || return 0
  for _ in {1..100}; do
    docker container inspect "$1" >/dev/null 2>&1 || break
    sleep 0.1
  done
}
# Each section of an answer is one line, `name base64`, so that no content can break the frame.
emit() { printf '%s ' "$1"; base64 -w0; echo; }
# A file whole or not at all: a full disk cuts a write off, and `set -e` is blind behind `if` and `&&`.
put() {
  cp "$1" "$2.new" || { rm -f "$2.new"; fail "cannot write $2"; }
  [ -z "${3:-}" ] || chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}
put_out() {
  local file=$1
  shift
  "$@" > "$file.new" || { rm -f "$file.new"; fail "cannot write $file"; }
  chmod --reference="$file" "$file.new" 2>/dev/null || true
  mv -f "$file.new" "$file"
}
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
