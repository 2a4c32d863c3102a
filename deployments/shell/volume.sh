# shellcheck shell=bash
# PostgreSQL, started for a moment on data that has no container.
# Reads: project

stop_looking() { docker stop -t 60 "$1" >/dev/null 2>&1 || true; remove_container "$1"; }
# Never two servers on the same files: one that an earlier run left goes first, and this one goes
# however this script ends.
look_into() {
  local incoming=$1 service=$2 variable=$3 image=$4 healthy=$5 looking=$project-look problem=
  shift 5
  stop_looking "$looking"
  # shellcheck disable=SC2064  # expanded now: these names are gone when the trap runs
  trap "stop_looking $(printf %q "$looking")" EXIT
  export "$variable=$image"
  docker compose -p "$project" --project-directory . -f "$incoming/compose.yml" \
    --env-file "$incoming/.env" --env-file "$incoming/secrets.env" \
    run -d -T --no-deps --name "$looking" "$service" </dev/null >/dev/null 2>"$incoming/said" || { cat "$incoming/said" >&2; exit 20; }
  wait_healthy "$looking" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$looking" "$service"; exit 20; }
  result database "$(ask_database "$looking" "$@")"
}
