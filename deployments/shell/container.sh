# shellcheck shell=bash
# A container: until it is healthy, its last lines, what it was made from.
# Reads: hash image project service

# What the health check printed last, in one line.
last_check() {
  docker inspect -f '{{with .State.Health}}{{range .Log}}{{println .ExitCode .Output}}{{end}}{{end}}' "$1" 2>/dev/null |
    grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-200
}
# Exit code 0 says nothing: Docker has it as soon as the container runs again, however it ended.
describe_restarts() {
  local code=$1 restarts=$2 times
  times="$restarts times"
  [ "$restarts" -ne 1 ] || times=once
  problem="crashes at start: exit code $code, restarted $times"
  [ "$code" -ne 0 ] || problem="stopped soon after its start, and Docker restarted it $times"
}
# Of each container its state, restarts, health and id; one that is gone has no line. `ID` and not `Id`,
# which makes Docker print nothing of a container without a health check.
container_states() {
  docker inspect -f '{{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.ID}}' "$@" 2>/dev/null || true
}
# A container after so many seconds, of so many; restarts are those since the look began. 0: it is healthy. 1: it never will be, and `problem`
# says why. 2: not yet.
# `unhealthy` is no end: the check may begin sooner than the program can answer, and what counts is
# the time that the environment gives.
check_health() {
  local id=$1 state=$2 restarts=$3 health=$4 seconds=$5 limit=$6
  case $state/$health in
    /*) problem="is gone"; return 1 ;;
    running/healthy) [ "$restarts" -gt 0 ] || return 0 ;;
    running/none) [ "$seconds" -lt 3 ] || return 0 ;;
    created/*) problem="does not start"; return 1 ;;
    exited/*|dead/*) problem="exited with code $(docker inspect -f '{{.State.ExitCode}}' "$id")"; return 1 ;;
  esac
  [ "$restarts" -eq 0 ] || { describe_restarts "$(docker inspect -f '{{.State.ExitCode}}' "$id")" "$restarts"; return 1; }
  [ "$seconds" -ge "$limit" ] || return 2
  problem="did not become healthy within $limit s"
  [ "$health" != unhealthy ] || problem="$problem; its health check says: $(last_check "$id")"
  return 1
}
# Of these containers, id and restarts of those that run: what Compose leaves alone keeps its count.
running_restarts() { [ $# -eq 0 ] || container_states "$@" | awk '$1=="running"{print $4, $2}'; }
# The third word: how often it had been started again before.
wait_healthy() {
  local id=$1 limit=$2 before=${3:-0} began=$SECONDS code state restarts health
  while :; do
    state='' restarts=0 health=none code=0
    read -r state restarts health _ < <(container_states "$id") || true
    check_health "$id" "$state" $((${restarts:-0} - before)) "$health" $((SECONDS - began)) "$limit" || code=$?
    [ $code = 2 ] || return $code
    sleep 0.25
  done
}
# Which configuration a container was made from, as `config --hash` counted it then: Compose's own
# label differs from that where a service depends on another one. Lines of containers that are gone go.
# Words: container, hash, and so on.
note_made() {
  local there
  there=$(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" | tr '\n' ' ')
  {
    # shellcheck disable=SC2016  # awk's own variables
    [ ! -f .containers ] || awk -v there=" $there " -v noted=" $* " 'index(there, " " $1 " ") && !index(noted, " " $1 " ")' .containers
    while [ $# -gt 0 ]; do say "$1 $2"; shift 2; done
  } > .containers.new
  mv -f .containers.new .containers
}
# Image and configuration of a container; one that nobody noted has Compose's label.
made_from() {
  local ref label noted
  read -r ref label < <(docker inspect -f '{{.Config.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "$1" 2>/dev/null) || return 0
  noted=$(awk -v id="$1" '$1==id{print $2}' .containers 2>/dev/null) || noted=
  say "$ref ${noted:-$label}"
}
# One more container of each of these services, beside those that are there and not started.
# Sets `made`, from service to container.
declare -A made=()
create_more() {
  local name id before after scale=()
  before=$(project_containers) || fail "Docker does not list the containers"
  local -A there=() count=()
  while read -r id name; do
    [ -z "$id" ] || there[$id]=$name count[$name]=$((${count[$name]:-0} + 1))
  done <<< "$before"
  for name in "$@"; do scale+=(--scale "$name=$((${count[$name]:-0} + 1))"); done
  compose up --no-start --no-deps --no-recreate "${scale[@]}" "$@" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  after=$(project_containers) || fail "Docker does not list the containers"
  made=()
  while read -r id name; do
    [ -z "$id" ] || [ -n "${there[$id]:-}" ] || made[$name]=$id
  done <<< "$after"
  for name in "$@"; do
    [ -n "${made[$name]:-}" ] || fail "Compose created no container for $name"
  done
}
# One more of the service: it becomes `new`.
create_another() {
  create_more "$service"
  new=${made[$service]}
  note_made "$new" "$hash"
}
is_wanted() { [ -n "$1" ] && [ "$(made_from "$1")" = "$image $hash" ]; }
# A log driver that keeps nothing to read is no reason to stop here.
# As many as fit below what went wrong into what a person is shown.
last_lines() { docker logs --tail 10 "$1" 2>&1 | sed "s/^/  $2 | /" >&2 || true; }
set_env() {
  # shellcheck disable=SC2016  # awk's own variables
  put_out .env awk -v name="$1" -v value="$2" -F= '$1==name{print name "='"'"'" value "'"'"'"; done=1; next} {print} END{if(!done) print name "='"'"'" value "'"'"'"}' .env
}
