# shellcheck shell=bash
# A new container beside the old one, known to nobody yet.
# Reads: hash healthy image problem service variable

start_beside() {
  local new
  export "$variable=$image"
  new=$(wanted_container "$service" "$image" "$hash")
  if [ -z "$new" ]; then
    create_another
  fi
  docker start "$new" >/dev/null || true
  wait_healthy "$new" "$healthy" || {
    say "$service: the new container $problem; its last lines:" >&2
    last_lines "$new" "$service"
    docker rm -f "$new" >/dev/null || true
    exit 20
  }
  say "$(container_name "$new") is up beside the old one"
}
