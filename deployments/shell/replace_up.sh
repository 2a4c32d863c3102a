# shellcheck shell=bash
# Starting or recreating a service with state or ports of its own.
# Reads: grace hash healthy image problem service variable

is_unhealthy() { [ "$(docker inspect -f '{{if .State.Health}}{{.State.Status}} {{.State.Health.Status}}{{end}}' "$1" 2>/dev/null)" = "running unhealthy" ]; }
recreate_service() {
  local id
  export "$variable=$image"
  id=$(container_ids "$service" | head -n 1)
  # Compose finds nothing to do where image and configuration are the same.
  if [ -n "$id" ] && is_wanted "$id" && is_unhealthy "$id"; then docker restart -t "$grace" "$id" >/dev/null || true; fi
  compose up -d --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(container_ids "$service" | head -n 1)
  note_made "$id" "$hash"
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
