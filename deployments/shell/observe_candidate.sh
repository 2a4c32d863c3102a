# shellcheck shell=bash
# A candidate's hashes and fingerprints. HMAC-SHA256 with builtins and sha256sum only: no value
# becomes an argument of a process.
# Reads: project

padded_key() {
  local key=$1 pad=$2 out='' i
  for ((i = 0; i < 128; i += 2)); do
    printf -v out '%s\\x%02x' "$out" $((16#${key:i:2} ^ pad))
  done
  printf '%s' "$out"
}
# The HMAC of each value, all of them by two processes: one for each would be most of a look's time.
fingerprints() {
  local key inner outer name value sum bytes i names=() texts=() sums=()
  [ -f "$1" ] || return 0
  key=$(cat .fingerprint.key)
  inner=$(padded_key "$key" 0x36) outer=$(padded_key "$key" 0x5c)
  while IFS='=' read -r name value; do
    names+=("$name")
    # shellcheck disable=SC2059  # bytes, written as \x escapes
    exec {i}< <(printf "$inner"; printf '%s' "$value")
    texts+=("/dev/fd/$i")
  done < "$1"
  sum_texts
  for sum in "${sums[@]}"; do
    bytes=
    for ((i = 0; i < 64; i += 2)); do bytes+="\\x${sum:i:2}"; done
    # shellcheck disable=SC2059  # bytes, written as \x escapes
    exec {i}< <(printf "$outer$bytes")
    texts+=("/dev/fd/$i")
  done
  sum_texts
  for i in "${!names[@]}"; do say "${names[i]} ${sums[i]:0:32}"; done
}
# Sets `sums` of `texts`, which are read and closed.
sum_texts() {
  local i
  sums=()
  [ ${#texts[@]} -gt 0 ] || return 0
  mapfile -t sums < <(sha256sum "${texts[@]}")
  [ ${#sums[@]} = ${#texts[@]} ] || fail "the secrets here could not be compared: sha256sum failed"
  for i in "${texts[@]}"; do i=${i##*/}; exec {i}<&-; done
  texts=()
}
# Whole before it has its name: another first plan may look for it at the same time.
make_key() {
  local new=.fingerprint.key.$$
  [ ! -s .fingerprint.key ] || return 0
  od -An -vtx1 -N64 /dev/urandom | tr -d ' \n' > "$new"
  # An empty one is what a full disk left.
  [ ! -e .fingerprint.key ] || [ -s .fingerprint.key ] || rm -f .fingerprint.key
  ln "$new" .fingerprint.key 2>/dev/null || true
  rm -f "$new"
}
config_hashes() {
  docker compose -p "$project" --project-directory . -f "$1/compose.yml" \
    --env-file "$1/.env" --env-file "$1/secrets.env" --profile '*' config --hash '*'
}
# PostgreSQL's image reads its first password once, when it makes the database: a later value is no
# reason for another container. Of a service: the hash that its container has, then that value.
made_with() {
  container_ids "$1" | head -n 1 | xargs -r docker inspect -f '{{index .Config.Labels "com.docker.compose.config-hash"}}
{{range .Config.Env}}{{println .}}{{end}}' 2>/dev/null | sed -n -e 1p -e 's/^POSTGRES_PASSWORD=//p'
}
# The hash of that service with the value that its container was made with, where it has another hash
# than it would be given. Words: the service, the Compose file's variable, hashes, the command that asks.
hash_as_made() {
  local service=$1 variable=$2 hashes=$3 there='' value=''
  shift 3
  { read -r there && read -r value; } <&"$made" || true
  [ -n "$value" ] && ! grep -qxF "$service $there" <<< "$hashes" || return 0
  # What is exported comes before any file, and is no argument.
  (export "$variable=$value" && "$@" | grep "^$service ") || true
}
# What the current release recorded, whatever a run that did not end has installed.
emit_released() {
  [ -f current ] || return 0
  emit_file released "releases/$(cat current)/secrets.fingerprints"
  emit_file released_env "releases/$(cat current)/variables.env"
}
emit_candidate() {
  local hashes made
  # Secrets of a plan go, however weighing it ends.
  # shellcheck disable=SC2064  # expanded now: these names are gone when the trap runs
  [ "$2" != discard ] || trap "rm -rf $(printf %q "$1"); rmdir $(printf %q "$(dirname "$1")") 2>/dev/null || true" EXIT
  make_key
  # An undo goes back to the secrets that were valid before the failed run.
  if [ "$2" = former ] && [ -f secrets.env.previous ]; then
    cp -p secrets.env.previous "$1/secrets.env"
  # A run that sent none leaves those that the containers have, whoever edited theirs meanwhile.
  elif [[ $2 = former || $2 = present ]] && [ -s secrets.env ]; then
    cp -p secrets.env "$1/secrets.env"
  fi
  if [ -n "${3:-}" ]; then exec {made}< <(made_with "$3"); fi
  hashes=$(config_hashes "$1")
  emit hashes <<< "$hashes"
  if [ -n "${3:-}" ]; then hash_as_made "$3" "$4" "$hashes" config_hashes "$1" | emit as_made; fi
  emit_released
  fingerprints secrets.env | emit secrets_now
  # Installed with the release: what a later look compares the secrets with.
  fingerprints "$1/secrets.env" > "$1/secrets.fingerprints"
  emit_file secrets_then "$1/secrets.fingerprints"
}
