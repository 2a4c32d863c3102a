# shellcheck shell=bash
# Everything that a plan needs to know of a host.
# Reads: project

host_facts() {
  say "writable=$(test -w . && echo yes || echo no)"
  say "disk_kb=$(df -Pk . | awk 'NR==2{print $4}')"
  say "memory_kb=$(awk '/^MemAvailable:/{print $2}' /proc/meminfo)"
  say "engine=$(docker version -f '{{.Server.Version}}' 2>&1 | grep -m 1 .)"
  say "locked=$([ ! -f lock/session ] || flock -n -s lock/session true && echo no || echo yes)"
  say "epoch=$(date +%s)"
  # shellcheck disable=SC2012  # our own names; only their number counts
  say "journals=$(ls journal 2>/dev/null | wc -l)"
  say "compose=$(docker compose version --short 2>/dev/null | head -n 1)"
}
listening_ports() {
  # A host without IPv6 has no tcp6.
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } |
    awk '$4=="0A"{split($2,a,":"); print a[2]}' | sort -u
}
# This project's containers, and the images that they were made from.
# `.ID`, not `.Id`: that would make Docker read its raw answer, where a container without a health
# check has no `Health` and so would not be seen at all.
emit_containers() {
  local shown
  shown=$(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" |
    xargs -r docker inspect -f '{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"ref":{{json .Config.Image}},"state":{{json .State.Status}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"restarts":{{.RestartCount}},"exit":{{.State.ExitCode}},"started":{{json .State.StartedAt}},"labels":{{json .Config.Labels}}}' 2>/dev/null) || true
  printf %s "$shown" | emit containers
  # The first of a line: what a label holds comes after it.
  sed -nE 's/^\{"id":"[^"]*","name":"[^"]*","image":"([^"]*)".*/\1/p' <<< "$shown" | sort -u |
    xargs -r docker image inspect -f '{"id":{{json .Id}},"digests":{{json .RepoDigests}}}' 2>/dev/null | emit images || true
}
# Of the whole host: what is published, and each Compose project with the directories that it was started
# from and the environment that one of them is.
emit_projects() {
  local shown
  shown=$(docker ps -a --format '{{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.project.working_dir"}}{{"\t"}}{{.State}}{{"\t"}}{{.Names}} {{.Ports}} |{{.Label "com.docker.compose.project"}}' 2>/dev/null) || true
  awk -F '\t' '$2 ~ /^(running|paused|restarting)$/ {print $3}' <<< "$shown" | emit published
  cut -f 1 <<< "$shown" | sort -u | compose_projects | emit projects
}
compose_projects() {
  local name directory here whose
  while read -r name directory; do
    here='' whose=''
    [ -n "$name" ] || continue
    if [ "$directory" -ef . ]; then here=here
    elif [ -r "$directory/.environment" ]; then
      whose=$(head -n 1 "$directory/.environment" | tr -cd 'a-z0-9-' | cut -c1-40)
    fi
    printf '%s\t%s\t%s\t%s\n' "$name" "$directory" "$here" "$whose"
  done
}
# Of a database without a container: where its data would be and something is, a place a line.
database_state() {
  local service=$1 user=$2 database=$3 query=$4 id
  shift 4
  id=$(container_ids "$service" | head -n 1) || return 0
  if [ -z "$id" ]; then data_places "$@"; return; fi
  ! is_running "$id" || ask_database "$id" "$user" "$database" "$query"
}
# A volume's name or a path. What may not be read may hold anything.
data_places() {
  local each
  for each in "$@"; do
    case $each in
      */*) [ ! -e "$each" ] || { [ -r "$each" ] && [ -z "$(ls -A "$each")" ]; } || say "$each" ;;
      *) ! docker volume inspect "$each" >/dev/null 2>&1 || say "$each" ;;
    esac
  done
}
# One that was fetched may have come without the end of its line.
list_backups() { awk 1 backups/*.json 2>/dev/null || true; }
emit_journals() {
  local file
  for file in journal/*.jsonl; do
    [ -f "$file" ] || continue
    tail -n 1 "$file" | grep -qE '"event":"end".*("kind":"run"|"step":"run ).*}$' || emit_file "journal:$(basename "$file" .jsonl)" "$file"
  done
}
# What takes Docker longest is asked first, and its answer read when the others are written.
observe_host() {
  local database containers projects
  if [ -n "$1" ]; then exec {database}< <(database_state "$@"); fi
  exec {containers}< <(emit_containers) {projects}< <(emit_projects)
  host_facts | emit facts
  listening_ports | emit listening
  cat <&"$containers"
  cat <&"$projects"
  if [ -n "$1" ]; then emit database <&"$database"; list_backups | emit backups; fi
  emit_file env .env
  emit_file compose compose.yml
  emit_file edge edge/haproxy.cfg
  emit_file edge_unread .edge-unread
  emit_file current current
  emit_file environment .environment
  emit_file project .project
  emit_file made .containers
  emit_file secrets_since .secrets.since
  emit_file maintenance .maintenance
  if [ -f current ]; then emit_file manifest "releases/$(cat current)/manifest.json"; fi
  emit_file ledger releases.jsonl
  { ls releases 2>/dev/null || true; } | emit releases
  emit_file owner lock/owner
  emit_journals
}
