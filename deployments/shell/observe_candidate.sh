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
fingerprints() {
  local key inner outer name value sum
  [ -f "$1" ] || return 0
  key=$(cat .fingerprint.key)
  inner=$(padded_key "$key" 0x36); outer=$(padded_key "$key" 0x5c)
  while IFS='=' read -r name value; do
    # shellcheck disable=SC2059  # bytes, written as \x escapes
    sum=$({ printf "$inner"; printf '%s' "$value"; } | sha256sum | cut -c1-64)
    # shellcheck disable=SC2059,SC2001  # bytes, written as \x escapes
    sum=$({ printf "$outer"; printf "$(sed 's/../\\x&/g' <<< "$sum")"; } | sha256sum | cut -c1-32)
    say "$name $sum"
  done < "$1"
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
emit_candidate() {
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
  config_hashes "$1" | emit hashes
  fingerprints secrets.env | emit secrets_now
  # Installed with the release: what a later look compares the secrets with.
  fingerprints "$1/secrets.env" > "$1/secrets.fingerprints"
  emit_file secrets_then "$1/secrets.fingerprints"
}
