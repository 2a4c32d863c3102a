# shellcheck shell=bash
# All containers of the project, read in two questions however many there are.
# Reads: hash image project

declare -A service_of=() health_of=() state_of=() restarts_of=() name_of=() id_of=() made_from_of=()
containers=()
# Newest first. What is made, started or removed afterwards is known when it is read again.
read_containers() {
  local id service state restarts health name ref label listed shown
  local -A noted=()
  service_of=() health_of=() state_of=() restarts_of=() name_of=() id_of=() made_from_of=() containers=()
  # An engine that restarts answers nothing: that is not a project without containers.
  listed=$(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False) || fail "Docker does not list the containers"
  [ -n "$listed" ] || return 0
  mapfile -t containers <<< "$listed"
  # What `note_made` has noted goes before Compose's own label.
  if [ -f .containers ]; then while read -r id label; do noted[$id]=$label; done < .containers; fi
  # One that is removed in between is left out.
  shown=$(docker inspect -f '{{.ID}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.Name}} {{.Config.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "${containers[@]}" 2>/dev/null) || true
  [ -n "$shown" ] || fail "Docker does not describe the containers"
  while read -r id service state restarts health name ref label; do
    service_of[$id]=$service health_of[$id]=$health state_of[$id]=$state restarts_of[$id]=$restarts
    name_of[$id]=${name#/} id_of[${name#/}]=$id made_from_of[$id]="$ref ${noted[$id]:-$label}"
  done <<< "$shown"
}
containers_of() {
  local id
  for id in "${containers[@]}"; do [ "${service_of[$id]:-}" != "$1" ] || say "$id"; done
}
forget_containers() {
  local id
  for id in "$@"; do unset "service_of[$id]" "state_of[$id]" "made_from_of[$id]"; done
}
known_running() { [ -n "$1" ] && [ "${state_of[$1]:-}" = running ]; }
# Whether it was made from what the service is to run.
known_wanted() { [ -n "$1" ] && [ "${made_from_of[$1]:-}" = "$image $hash" ]; }
# Whether it may still become what serves: it was never started, or runs and did not crash, or is
# healthy: a crash of weeks ago says nothing.
known_unharmed() {
  [[ "${state_of[$1]:-} ${restarts_of[$1]:-} ${health_of[$1]:-}" =~ ^(created\ 0\ .*|running\ 0\ .*|running\ .*\ healthy)$ ]]
}
