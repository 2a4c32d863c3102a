# shellcheck shell=bash
# Starting or recreating a service with state or ports of its own.
# Reads: grace hash healthy image problem service variable

is_unhealthy() { [ "$(docker inspect -f '{{if .State.Health}}{{.State.Status}} {{.State.Health.Status}}{{end}}' "$1" 2>/dev/null)" = "running unhealthy" ]; }
networks_of() { docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$1" 2>/dev/null || true; }
# What a release replaces later still asks for the service in the networks that it had: it leaves them
# when the release is recorded. Words: container, networks.
stay_in_networks() {
  local id=$1 network now
  now=" $(networks_of "$id" | tr '\n' ' ') "
  for network in $2; do
    case $network in host|none|bridge) continue ;; esac
    case $now in *" $network "*) continue ;; esac
    docker network connect --alias "$service" "$network" "$id" || continue
    say "$id $network" >> .networks
    say "$service stays in network $network until the release is recorded"
  done
}
recreate_service() {
  local id networks
  export "$variable=$image"
  id=$(container_ids "$service" | head -n 1)
  # Compose finds nothing to do where image and configuration are the same.
  if [ -n "$id" ] && is_wanted "$id" && is_unhealthy "$id"; then docker restart -t "$grace" "$id" >/dev/null || true; fi
  networks=$([ -z "$id" ] || networks_of "$id")
  compose up -d --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(container_ids "$service" | head -n 1)
  stay_in_networks "$id" "$networks"
  note_made "$id" "$hash"
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
