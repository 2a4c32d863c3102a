# shellcheck shell=bash
# A migration in a one-off container, and the revision that it left.
# Reads: database name project query superuser

database_revision() {
  docker exec "$(container_ids "$database" | head -n 1)" psql -U "$superuser" -d "$name" -Atqc "$query" 2>/dev/null | paste -sd, - || true
}
migrate() {
  local service=$1 variable=$2 image=$3 one_off="$project-$1" after code=0
  shift 3
  export "$variable=$image"
  remove_container "$one_off"
  compose run --rm -T --no-deps --name "$one_off" "$service" "$@" </dev/null 2>&1 || code=$?
  remove_container "$one_off"
  after=$(database_revision)
  result revision "$after"
  [ $code = 0 ] || exit 22
}
