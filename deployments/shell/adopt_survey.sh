# shellcheck shell=bash
# What runs under the project, deployed by hand: containers, their files, the data.
# Reads: project

compose_label() { docker inspect -f "{{index .Config.Labels \"com.docker.compose.project.$2\"}}" "$1"; }
containers_by_hand() {
  docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=False
}
# Each file with its directory, where it has none.
absolute_paths() {
  local path
  tr ',' '\n' <<< "$2" | while read -r path; do
    [ -n "$path" ] || continue
    case $path in /*) say "$path" ;; *) say "$1/$path" ;; esac
  done | paste -sd, -
}
env_files() {
  local given
  given=$(absolute_paths "$1" "$2")
  if [ -z "$given" ] && [ -f "$1/.env" ]; then given=$1/.env; fi
  say "$given"
}
list_by_hand() {
  local id directory
  for id in $(containers_by_hand); do
    directory=$(compose_label "$id" working_dir)
    docker inspect -f "{\"service\":{{json (index .Config.Labels \"com.docker.compose.service\")}},\"directory\":\"$directory\",\"files\":\"$(absolute_paths "$directory" "$(compose_label "$id" config_files)")\",\"env_files\":\"$(env_files "$directory" "$(compose_label "$id" environment_file)")\",\"exit_code\":{{.State.ExitCode}},\"mounts\":{{json .Mounts}}}" "$id"
  done
}
database_by_hand() {
  local id given user image
  id=$(container_ids "$1" | head -n 1)
  [ -n "$id" ] || return 0
  given=$(docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$id" | grep -E '^POSTGRES_(USER|DB)=') || true
  say "$given"
  # Where the image itself says nothing else.
  image=$(docker inspect -f '{{.Image}}' "$id")
  docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$id" | grep '^PGDATA=' |
    grep -vxF "$(docker image inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$image" 2>/dev/null | grep '^PGDATA=')" || true
  user=$(sed -n 's/^POSTGRES_USER=//p' <<< "$given")
  # A database or a superuser may have been made later, and not by the image.
  docker exec "$id" psql -U "${user:-postgres}" -d postgres -XAtq \
    -c "SELECT 'databases=' || string_agg(datname, ',') FROM pg_database WHERE NOT datistemplate" \
    -c "SELECT 'superusers=' || string_agg(rolname, ',') FROM pg_roles WHERE rolsuper" 2>/dev/null || true
  say "major=$(docker exec "$id" psql --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+' | head -n 1)"
}
# Sets the array `by_hand_compose`: Compose as it was called by hand, with what a login brings.
set_by_hand_compose() {
  local directory=$1 files=$2 env_files=$3 each
  let_login_in
  by_hand_compose=(docker compose -p "$project" --project-directory "$directory")
  while read -r each; do by_hand_compose+=(-f "$each"); done < <(tr ',' '\n' <<< "$files")
  while read -r each; do
    [ -z "$each" ] || by_hand_compose+=(--env-file "$each")
  done < <(tr ',' '\n' <<< "$env_files")
}
survey_by_hand() {
  local first directory files env_files
  docker ps -a --format '{{.Label "com.docker.compose.project"}}' | sort -u | emit projects
  list_by_hand | emit byhand
  [ -z "$1" ] || database_by_hand "$1" | emit data
  first=$(containers_by_hand | head -n 1)
  [ -n "$first" ] || return 0
  directory=$(compose_label "$first" working_dir)
  files=$(absolute_paths "$directory" "$(compose_label "$first" config_files)")
  env_files=$(env_files "$directory" "$(compose_label "$first" environment_file)")
  tr ',' '\n' <<< "$files" | while read -r each; do sha256sum < "$each" | cut -c1-64; done 2>/dev/null | emit sums
  set_by_hand_compose "$directory" "$files" "$env_files"
  "${by_hand_compose[@]}" --profile '*' config --hash '*' 2>/dev/null | emit hashes || true
}
