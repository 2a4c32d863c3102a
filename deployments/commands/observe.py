"""Reading a host: everything that a plan needs, in one script."""

from __future__ import annotations

from typing import Literal

from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment
from deployments.references import interpolate
from deployments.stack import PROJECT_NAME, Stack

Weighing = Literal["keep", "discard", "former", "present"]

_EMIT = r"""
emit_file() { if [ -f "$2" ]; then emit "$1" < "$2"; fi; }
"""

ASK_DATABASE = r"""
# A line of its size and of what runs set aside, then its revisions, one a line. In this order: what
# the application writes into its table is read as nothing else. A fresh one has no such table.
# An extension's tables are not counted.
ask_database() {
  docker exec "$1" psql -U "$2" -d "$3" -XAtq -v ON_ERROR_STOP=1 \
    -c "SELECT jsonb_build_object('bytes', pg_database_size(current_database()),
        'tables', (SELECT count(*) FROM pg_stat_user_tables t WHERE NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.relid
            AND d.deptype = 'e')),
        'aside', coalesce(jsonb_agg(substr(datname, length(current_database()) + 2))
          FILTER (WHERE starts_with(datname, current_database() || '_aside_')
            OR datname IN (current_database() || '_restoring', current_database() || '_drill')), '[]'),
        'undone', coalesce(jsonb_agg(datname)
          FILTER (WHERE starts_with(datname, current_database() || '_undone_')), '[]'))
        FROM pg_database" \
    -c "$4" 2>/dev/null || true
}
"""

_OBSERVE = r"""
facts() {
  say "writable=$(test -w . && echo yes || echo no)"
  say "disk_kb=$(df -Pk . | awk 'NR==2{print $4}')"
  say "memory_kb=$(awk '/^MemAvailable:/{print $2}' /proc/meminfo)"
  say "engine=$(docker version -f '{{.Server.Version}}' 2>&1 | grep -m 1 .)"
  say "locked=$([ ! -f lock/session ] || flock -n lock/session true && echo no || echo yes)"
  say "epoch=$(date +%s)"
  say "journals=$(ls journal 2>/dev/null | wc -l)"
  say "compose=$(docker compose version --short 2>/dev/null | head -n 1)"
}
listening() {
  # A host without IPv6 has no tcp6.
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } |
    awk '$4=="0A"{split($2,a,":"); print a[2]}' | sort -u
}
# `.ID`, not `.Id`: that would make Docker read its raw answer, where a container without a health
# check has no `Health` and so would not be seen at all.
containers() {
  docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" |
    xargs -r docker inspect -f '{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"ref":{{json .Config.Image}},"state":{{json .State.Status}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"restarts":{{.RestartCount}},"exit":{{.State.ExitCode}},"started":{{json .State.StartedAt}},"labels":{{json .Config.Labels}}}' 2>/dev/null || true
}
images() {
  docker ps -aq --filter "label=com.docker.compose.project=$project" |
    xargs -r docker inspect -f '{{.Image}}' 2>/dev/null | sort -u |
    xargs -r docker image inspect -f '{"id":{{json .Id}},"digests":{{json .RepoDigests}}}' 2>/dev/null || true
}
# Each Compose project with the directories that it was started from, and the environment that one
# of them is.
projects() {
  local name directory here whose
  docker ps -a --format '{{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null |
    sort -u | while read -r name directory; do
      here= whose=
      [ -n "$name" ] || continue
      if [ "$directory" -ef . ]; then here=here
      elif [ -r "$directory/.environment" ]; then
        whose=$(head -n 1 "$directory/.environment" | tr -cd 'a-z0-9-' | cut -c1-40)
      fi
      printf '%s\t%s\t%s\t%s\n' "$name" "$directory" "$here" "$whose"
    done || true
}
published() { docker ps --format '{{.Names}} {{.Ports}} |{{.Label "com.docker.compose.project"}}' 2>/dev/null || true; }
# Of a database without a container: where its data would be and something is, a place a line.
database() {
  local service=$1 user=$2 database=$3 query=$4 id
  shift 4
  id=$(ids "$service" | head -n 1) || return 0
  if [ -z "$id" ]; then places "$@"; return; fi
  ! is_running "$id" || ask_database "$id" "$user" "$database" "$query"
}
# A volume's name or a path. What may not be read may hold anything.
places() {
  local each
  for each in "$@"; do
    case $each in
      */*) [ ! -e "$each" ] || { [ -r "$each" ] && [ -z "$(ls -A "$each")" ]; } || say "$each" ;;
      *) ! docker volume inspect "$each" >/dev/null 2>&1 || say "$each" ;;
    esac
  done
}
# One that was fetched may have come without the end of its line.
backups() { awk 1 backups/*.json 2>/dev/null || true; }
journals() {
  local file
  for file in journal/*.jsonl; do
    [ -f "$file" ] || continue
    tail -n 1 "$file" | grep -q '"event":"end".*"step":"run .*}$' || emit_file "journal:$(basename "$file" .jsonl)" "$file"
  done
}
observe() {
  facts | emit facts
  listening | emit listening
  containers | emit containers
  images | emit images
  published | emit published
  projects | emit projects
  if [ -n "$1" ]; then database "$@" | emit database; backups | emit backups; fi
  emit_file env .env
  emit_file compose compose.yml
  emit_file edge edge/haproxy.cfg
  emit_file current current
  emit_file environment .environment
  emit_file project .project
  emit_file made .containers
  if [ -f current ]; then emit_file manifest "releases/$(cat current)/manifest.json"; fi
  emit_file ledger releases.jsonl
  { ls releases 2>/dev/null || true; } | emit releases
  emit_file owner lock/owner
  journals
}
"""

# HMAC-SHA256 with builtins and sha256sum only: no value becomes an argument of a process.
_CANDIDATE = r"""
padded() {
  local key=$1 pad=$2 out= i
  for ((i = 0; i < 128; i += 2)); do
    printf -v out '%s\\x%02x' "$out" $((16#${key:i:2} ^ pad))
  done
  printf '%s' "$out"
}
fingerprints() {
  local key inner outer name value sum
  [ -f "$1" ] || return 0
  key=$(cat .fingerprint.key)
  inner=$(padded "$key" 0x36); outer=$(padded "$key" 0x5c)
  while IFS='=' read -r name value; do
    sum=$({ printf "$inner"; printf '%s' "$value"; } | sha256sum | cut -c1-64)
    sum=$({ printf "$outer"; printf "$(sed 's/../\\x&/g' <<< "$sum")"; } | sha256sum | cut -c1-32)
    say "$name $sum"
  done < "$1"
}
make_key() {
  [ -s .fingerprint.key ] || od -An -vtx1 -N64 /dev/urandom | tr -d ' \n' > .fingerprint.key
}
hashes() {
  docker compose -p "$project" --project-directory . -f "$1/compose.yml" \
    --env-file "$1/.env" --env-file "$1/secrets.env" --profile '*' config --hash '*'
}
candidate() {
  # Secrets of a plan go, however weighing it ends.
  [ "$2" != discard ] || trap "rm -rf $(printf %q "$1"); rmdir $(printf %q "$(dirname "$1")") 2>/dev/null || true" EXIT
  make_key
  # An undo goes back to the secrets that were valid before the failed run.
  if [ "$2" = former ] && [ -f secrets.env.previous ]; then
    cp -p secrets.env.previous "$1/secrets.env"
  # A run that sent none leaves those that the containers have, whoever edited theirs meanwhile.
  elif [[ $2 = former || $2 = present ]] && [ -s secrets.env ]; then
    cp -p secrets.env "$1/secrets.env"
  fi
  hashes "$1" | emit hashes
  fingerprints secrets.env | emit secrets_now
  # Installed with the release: what a later look compares the secrets with.
  fingerprints "$1/secrets.env" > "$1/secrets.fingerprints"
  emit_file secrets_then "$1/secrets.fingerprints"
}
"""

_LOOK = r"""
# The current release as this host keeps it, weighed with the secrets that are here now.
released() {
  local folder
  [ -f current ] || return 0
  folder="releases/$(cat current)"
  emit_file release_compose "$folder/compose.yml"
  emit_file release_env "$folder/variables.env"
  emit_file release_edge "$folder/haproxy.cfg"
  emit_file secrets_then "$folder/secrets.fingerprints"
  [ ! -s .fingerprint.key ] || fingerprints secrets.env | emit secrets_now
  docker compose -p "$project" --project-directory . -f "$folder/compose.yml" \
    --env-file "$folder/variables.env" --env-file secrets.env --profile '*' \
    config --hash '*' 2>/dev/null | emit hashes || true
}
newest_backup() {
  local id at
  # By its name, since a copy that was fetched has a file of today; and only one that was ended.
  id=$(basename -a -s .json backups/*.json 2>/dev/null | grep -E '^[0-9]{8}T[0-9]{6}Z$' | sort | tail -n 1) || true
  [ -n "$id" ] || return 0
  at=$(date -u -d "${id:0:4}-${id:4:2}-${id:6:2}T${id:9:2}:${id:11:2}:${id:13:2}Z" +%s)
  say $(($(date +%s) - at)) | emit backup
}
"""


def observe(environment: Environment, stack: Stack) -> Script:
    """Read the host: facts, containers, images, files, ledger, database revision."""
    return Script(
        join(prelude(environment), _EMIT, ASK_DATABASE, _OBSERVE, _observed(environment, stack))
    )


def look(environment: Environment, stack: Stack) -> Script:
    """Read the host as `observe` does, its record of the current release, its newest backup."""
    backup = "newest_backup" if environment.watch.backup_hours else ""
    observed = _observed(environment, stack)
    parts = (_EMIT, ASK_DATABASE, _OBSERVE, _CANDIDATE, _LOOK, observed, "released", backup)
    return Script(join(prelude(environment), *parts))


def _observed(environment: Environment, stack: Stack) -> str:
    database = stack.deploy.database
    query: tuple[str, ...] = ("",)
    if database:
        values = {PROJECT_NAME: environment.project, **environment.variables}
        superuser, name = (interpolate(t, values) for t in (database.superuser, database.name))
        places = [interpolate(text, values) for text in stack.places.get(database.service, ())]
        query = (database.service, superuser, name, database.revision, *places)
    return call("observe", *query)


def weigh_candidate(environment: Environment, incoming: str, mode: Weighing) -> Script:
    """Ask Compose for each service's configuration hash under the files in `incoming`.

    Also fingerprints the secrets now in use and the ones to come. The interpolated
    configuration itself never leaves the host. mode: `keep` the files for a deploy,
    `discard` them after a plan, take the `former` secrets for an undo, or leave the
    `present` ones as they are on the host.
    """
    return Script(join(prelude(environment), _EMIT, _CANDIDATE, call("candidate", incoming, mode)))


def read_files(environment: Environment, paths: list[str]) -> Script:
    """Read some files below the environment's directory."""
    body = [call("emit_file", path, path) for path in paths]
    return Script(join(prelude(environment), _EMIT, *body))
