# shellcheck shell=bash
# Starting or recreating a service with state or ports of its own.
# Reads: grace hash healthy image problem service user variable

is_unhealthy() { [ "$(docker inspect -f '{{if .State.Health}}{{.State.Status}} {{.State.Health.Status}}{{end}}' "$1" 2>/dev/null)" = "running unhealthy" ]; }
networks_of() { docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$1" 2>/dev/null || true; }
# What a release replaces later still asks for the service in the networks that it had. It leaves them with
# its container: a connection that is open in a network that goes away is never told so.
# Words: former container, its networks, new container.
stay_in_networks() {
  local old=$1 new=$3 network now
  now=" $(networks_of "$new" | tr '\n' ' ') "
  for network in $2; do
    case $network in host|none|bridge) continue ;; esac
    case $now in *" $network "*) continue ;; esac
    ! grep -qxF "$old $network" .networks 2>/dev/null || continue
    docker network connect --alias "$service" "$network" "$new" || continue
    say "$new $network" >> .networks
    say "$service stays in network $network, too, as long as this container is there"
  done
}
recreate_service() {
  local id old networks before
  export "$variable=$image"
  id=$(container_ids "$service" | head -n 1)
  # Compose finds nothing to do where image and configuration are the same.
  if [ -n "$id" ] && is_wanted "$id" && is_unhealthy "$id"; then docker restart -t "$grace" "$id" >/dev/null || true; fi
  before=$(running_restarts ${id:+"$id"})
  old=$id networks=$([ -z "$id" ] || networks_of "$id")
  own_volumes "$old" "$image" "$user"
  compose up -d --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(container_ids "$service" | head -n 1)
  stay_in_networks "$old" "$networks" "$id"
  note_made "$id" "$hash"
  [ "$id" = "$old" ] || before=
  wait_healthy "$id" "$healthy" "${before#* }" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
