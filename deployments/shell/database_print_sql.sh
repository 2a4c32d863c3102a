# shellcheck shell=bash
# The SQL of an image's migrations, printed and not run.
# Reads: project

print_sql() {
  local incoming=$1 limit=$2 most=$3 service=$4 file=$5 env_file=$6 one_off code=0
  shift 6
  one_off=$project-$service-${incoming##*[-/]}
  # What it began ends with this script, however that one ends.
  # shellcheck disable=SC2064  # expanded now: these names are gone when the trap runs
  trap "remove_container $(printf %q "$one_off"); rm -f $(printf '%q ' "$incoming"/{"$file","$env_file",sql,said})" EXIT
  {
    COMPOSE_IGNORE_ORPHANS=1 timeout -k 5 "$limit" docker compose -p "$project" --project-directory . \
      -f "$incoming/$file" --env-file "$incoming/$env_file" \
      run --rm -T --name "$one_off" "$service" "$@" </dev/null 2>&1 >&3 3>&- | tail -c 2000 > "$incoming/said"
  } 3>&1 | head -c "$((most + 1))" > "$incoming/sql" || code=$?
  [ "$(stat -c %s "$incoming/sql")" -le "$most" ] || code=toomuch
  emit sql < "$incoming/sql"
  emit said < "$incoming/said"
  say "$code" | emit code
}
