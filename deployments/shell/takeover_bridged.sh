# shellcheck shell=bash
# Recreating a database: Compose gives a new container its own network only, and what was there
# goes on asking for it where it always did, under the name that it always had.
# Reads: hash healthy image problem service variable

recreate_bridged() {
  local old name networks network id each
  local -A aliases=()
  export "$variable=$image"
  old=$(container_ids "$service" | head -n 1)
  name=$(container_name "$old")
  networks=$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$old")
  for network in $networks; do
    aliases[$network]=$(docker inspect -f "{{range (index .NetworkSettings.Networks \"$network\").Aliases}}{{println .}}{{end}}" "$old" 2>/dev/null) || true
  done
  compose up --no-start --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(container_ids "$service" | head -n 1)
  for network in $networks; do
    docker network disconnect "$network" "$id" >/dev/null 2>&1 || true
    # shellcheck disable=SC2046,SC2086  # one word an alias
    docker network connect $(for each in $(printf '%s\n' "$service" "$name" ${aliases[$network]} | sort -u); do printf -- '--alias %s ' "$each"; done) "$network" "$id"
  done
  docker start "$id" >/dev/null
  note_made "$id" "$hash"
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
