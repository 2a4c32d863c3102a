# shellcheck shell=bash
# The current release as this host keeps it, and the age of the newest backup.
# Reads: project

release_hashes() {
  docker compose -p "$project" --project-directory . -f "$1/compose.yml" \
    --env-file "$1/variables.env" --env-file secrets.env --profile '*' config --hash '*' 2>/dev/null
}
# The current release as this host keeps it, weighed with the secrets that are here now. Words: the
# database's service and the variable of its first password, or none.
emit_release() {
  local folder hashes made
  [ -f current ] || return 0
  folder="releases/$(cat current)"
  emit_file release_compose "$folder/compose.yml"
  emit_file release_env "$folder/variables.env"
  emit_file release_edge "$folder/haproxy.cfg"
  emit_file secrets_then "$folder/secrets.fingerprints"
  [ ! -s .fingerprint.key ] || fingerprints secrets.env | emit secrets_now
  if [ -n "${1:-}" ]; then exec {made}< <(made_with "$1"); fi
  hashes=$(release_hashes "$folder" || true)
  emit hashes <<< "$hashes"
  if [ -n "${1:-}" ]; then hash_as_made "$1" "$2" "$hashes" release_hashes "$folder" | emit as_made; fi
}
newest_backup() {
  local id at
  # By its name, since a copy that was fetched has a file of today; and only one that was ended.
  id=$(basename -a -s .json backups/*.json 2>/dev/null | grep -E '^[0-9]{8}T[0-9]{6}Z$' | sort | tail -n 1) || true
  [ -n "$id" ] || return 0
  at=$(date -u -d "${id:0:4}-${id:4:2}-${id:6:2}T${id:9:2}:${id:11:2}:${id:13:2}Z" +%s)
  say $(($(date +%s) - at)) | emit backup
}
