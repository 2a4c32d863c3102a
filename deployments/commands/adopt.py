"""Taking over what was deployed by hand: looking at it, keeping it, bringing it back.

Release 0 is started by Compose from its own files, with its own directory as the project's.
Its images are known by id: each name is put back on its image before anything starts.
"""

from __future__ import annotations

from deployments.adopted import RELEASE, Adoption
from deployments.commands.container import CONTAINER
from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment

_SURVEY = r"""
label() { docker inspect -f "{{index .Config.Labels \"com.docker.compose.project.$2\"}}" "$1"; }
containers() {
  docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=False
}
# Each file with its directory, where it has none.
absolute() {
  local path
  tr ',' '\n' <<< "$2" | while read -r path; do
    [ -n "$path" ] || continue
    case $path in /*) say "$path" ;; *) say "$1/$path" ;; esac
  done | paste -sd, -
}
env_files() {
  local given
  given=$(absolute "$1" "$2")
  if [ -z "$given" ] && [ -f "$1/.env" ]; then given=$1/.env; fi
  say "$given"
}
by_hand() {
  local id directory
  for id in $(containers); do
    directory=$(label "$id" working_dir)
    docker inspect -f "{\"service\":{{json (index .Config.Labels \"com.docker.compose.service\")}},\"directory\":\"$directory\",\"files\":\"$(absolute "$directory" "$(label "$id" config_files)")\",\"env_files\":\"$(env_files "$directory" "$(label "$id" environment_file)")\",\"exit_code\":{{.State.ExitCode}},\"mounts\":{{json .Mounts}}}" "$id"
  done
}
data() {
  local id given user image
  id=$(ids "$1" | head -n 1)
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
# Sets the array `by_hand_compose`: Compose as it was called by hand.
as_by_hand() {
  local directory=$1 files=$2 env_files=$3 each
  by_hand_compose=(docker compose -p "$project" --project-directory "$directory")
  while read -r each; do by_hand_compose+=(-f "$each"); done < <(tr ',' '\n' <<< "$files")
  while read -r each; do
    [ -z "$each" ] || by_hand_compose+=(--env-file "$each")
  done < <(tr ',' '\n' <<< "$env_files")
}
survey() {
  local first directory files env_files
  docker ps -a --format '{{.Label "com.docker.compose.project"}}' | sort -u | emit projects
  by_hand | emit byhand
  [ -z "$1" ] || data "$1" | emit data
  first=$(containers | head -n 1)
  [ -n "$first" ] || return 0
  directory=$(label "$first" working_dir)
  files=$(absolute "$directory" "$(label "$first" config_files)")
  env_files=$(env_files "$directory" "$(label "$first" environment_file)")
  tr ',' '\n' <<< "$files" | while read -r each; do sha256sum < "$each" | cut -c1-64; done 2>/dev/null | emit sums
  as_by_hand "$directory" "$files" "$env_files"
  "${by_hand_compose[@]}" --profile '*' config --hash '*' 2>/dev/null | emit hashes || true
}
"""

_COMPARE = r"""
# What `up` would do with each container. The hash of `config --hash` does not tell: with an `env_file`
# or `network_mode: service:...` it is never the one that `up` gives a container.
compare() {
  local said
  as_by_hand "$@"
  said=$(timeout 45 "${by_hand_compose[@]}" --ansi never --progress plain --profile '*' --dry-run up -d --no-build --pull never </dev/null 2>&1) || return 0
  say "$said" | emit up
}
"""

_KEEP = r"""
# Small files beside the Compose file: what it and its containers are made from.
settings() {
  tr ',' '\n' <<< "$2,$3" | grep . || true
  find "$1" -maxdepth 1 -type f -size -1024k \( -name '*.env' -o -name '.env*' -o -name '*.yml' -o -name '*.yaml' -o -name '*.cfg' -o -name '*.conf' \) 2>/dev/null || true
}
# What is mounted from there may be configuration or data; where it may not be read, it is left out.
mounted_files() {
  local path
  mounted "$1" | while read -r path; do
    [ "$({ find "$path" -type f 2>/dev/null || true; } | wc -l)" -gt 200 ] || find "$path" -type f -size -1024k -readable 2>/dev/null || true
  done
}
mounted() {
  docker ps -aq --filter "label=com.docker.compose.project=$project" |
    xargs -r docker inspect -f '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}' |
    awk -v under="$1/" 'index($0, under) == 1' | sort -u
}
keep() {
  local incoming=$1 release=$2 directory=$3 files=$4 env_files=$5 folder
  folder=releases/$release
  mkdir -p "$folder"
  settings "$directory" "$files" "$env_files" | sort -u > "$folder/settings.list"
  { cat "$folder/settings.list"; mounted_files "$directory"; } | sort -u > "$folder/files.list"
  tar -czf "$folder/files.tar.new" --absolute-names -T "$folder/files.list" || fail "the files in $directory cannot be read"
  mv -f "$folder/files.tar.new" "$folder/files.tar"
  cp "$incoming/manifest.json" "$incoming/plan.json" "$folder/"
  tr ',' '\n' <<< "$files" | head -n 1 | while read -r each; do cp "$each" "$folder/compose.yml"; done
  : > "$folder/variables.env"
  tr ',' '\n' <<< "$env_files" | while read -r each; do [ ! -f "$each" ] || cat "$each" >> "$folder/variables.env"; done
  say "kept $(wc -l < "$folder/files.list") files of $directory"
}
# A name of our own, so that no clean-up takes an image that release 0 needs.
hold() { docker tag "$2" "homeguru-adopted/$project/${1,,}:0"; }
"""

_BACK = r"""
put_link() {
  [ "$(readlink "$1")" != "$(readlink ".put-back$1")" ] || return 0
  mkdir -p "$(dirname "$1")"
  cp -dp --remove-destination ".put-back$1" "$1" || fail "$1 cannot be put back"
}
# Containers have written to what is mounted since: of that, only what is gone comes back, and what a
# deploy of ours writes itself.
put_back() {
  local folder=releases/$1 path count=0
  [ -f "$folder/files.tar" ] || fail "the files of release $1 are gone"
  rm -rf .put-back
  mkdir .put-back
  tar -xzpf "$folder/files.tar" -C .put-back 2>.put-back.said || { cat .put-back.said >&2; exit 20; }
  # What is ours goes first: beside docker-compose.yml, Compose would read our compose.yml.
  rm -f compose.yml .env secrets.env
  while read -r path; do
    if [ -L ".put-back$path" ]; then
      put_link "$path"
      continue
    fi
    if [ -e "$path" ]; then
      ! cmp -s ".put-back$path" "$path" || continue
      [ "$path" = "$PWD/edge/haproxy.cfg" ] || grep -qxF "$path" "$folder/settings.list" || continue
    fi
    mkdir -p "$(dirname "$path")"
    # In place first: what is mounted follows its file, not its name.
    cp -p ".put-back$path" "$path" 2>/dev/null || cp -p --remove-destination ".put-back$path" "$path" || fail "$path cannot be put back"
    count=$((count + 1))
  done < "$folder/files.list"
  rm -rf .put-back .put-back.said
  say "$count files put back, the others are as they were"
}
name_again() {
  docker image inspect "$2" >/dev/null 2>&1 || fail "the image of $1 is no longer on this host: $2"
  case $3 in *@*|sha256:*) ;; *) docker tag "$2" "$3" ;; esac
}
# What Compose's file has and did not run then: a later release of ours may have started it.
stop_others() {
  local id service
  for id in $(containers); do
    service=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' "$id" 2>/dev/null) || continue
    case " $* " in *" $service "*) continue ;; esac
    ! is_running "$id" || docker rm -f "$id" >/dev/null
  done
}
start_again() {
  local id left until=$((SECONDS + healthy))
  stop_others "$@"
  "${by_hand_compose[@]}" up -d --no-build --pull never --remove-orphans "$@" </dev/null >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  for service in "$@"; do
    id=$(ids "$service" | head -n 1)
    # They start together, so one deadline holds for all; what is up already needs some seconds to show it.
    left=$((until - SECONDS))
    wait_healthy "$id" $((left > 5 ? left : 5)) || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  done
}
"""


def survey(environment: Environment, database: str) -> Script:
    """Read what runs under the environment's project. database: its service, or empty."""
    return Script(join(prelude(environment), _SURVEY, call("survey", database)))


def compare(environment: Environment, adoption: Adoption) -> Script:
    """Ask Compose which containers it would make anew from the files as they are; changes nothing."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    return Script(join(prelude(environment), _SURVEY, _COMPARE, call("compare", *where)))


def keep(incoming: str, adoption: Adoption) -> Script:
    """Keep the files and the images of what runs, as release 0; no container is touched."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    held = [call("hold", name, s.image) for name, s in adoption.services.items()]
    return Script(join(_KEEP, call("keep", incoming, RELEASE, *where), *held), timeout=120)


def put_back() -> Script:
    """Release 0's own files, where they lay."""
    return Script(join(_BACK, call("put_back", RELEASE)))


def start_again(adoption: Adoption, healthy: int) -> Script:
    """Release 0's containers, by Compose; whatever else the project has is removed."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    named = [call("name_again", n, s.image, s.reference) for n, s in adoption.services.items()]
    settings = [call("declare", f"healthy={healthy}"), call("declare", "problem=")]
    return Script(
        join(
            CONTAINER, _SURVEY, _BACK, *settings, call("as_by_hand", *where), *named,
            call("start_again", *adoption.services),
        ),
        timeout=healthy + 5 * len(adoption.services) + 180,
    )  # fmt: skip
