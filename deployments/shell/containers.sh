# shellcheck shell=bash
# All containers of the project, read in two questions however many there are.
# Reads: hash image project

declare -A service_of=() state_of=() restarts_of=() name_of=() id_of=() made_from_of=()
containers=()
# Newest first. What is made, started or removed afterwards is known when it is read again.
read_containers() {
  local id service state restarts name ref label
  local -A noted=()
  service_of=() state_of=() restarts_of=() name_of=() id_of=() made_from_of=()
  mapfile -t containers < <(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False)
  [ ${#containers[@]} -gt 0 ] || return 0
  # What `note_made` has noted goes before Compose's own label.
  if [ -f .containers ]; then while read -r id label; do noted[$id]=$label; done < .containers; fi
  while read -r id service state restarts name ref label; do
    service_of[$id]=$service state_of[$id]=$state restarts_of[$id]=$restarts
    name_of[$id]=${name#/} id_of[${name#/}]=$id made_from_of[$id]="$ref ${noted[$id]:-$label}"
  done < <(docker inspect -f '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.RestartCount}} {{.Name}} {{.Config.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "${containers[@]}" 2>/dev/null || true)
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
# Whether it may still become what serves: it runs or was never started, and did not crash.
known_unharmed() { [[ "${state_of[$1]:-} ${restarts_of[$1]:-}" =~ ^(created|running)\ 0$ ]]; }
