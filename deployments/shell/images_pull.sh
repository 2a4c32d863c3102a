# shellcheck shell=bash
# Images, pulled by digest.

whole_releases() {
  local folder ref
  for folder in releases/*/; do
    [ -s "$folder/variables.env" ] || continue
    for ref in $(image_references "$folder"); do
      docker image inspect "$ref" >/dev/null 2>&1 || continue 2
    done
    basename "$folder"
  done
}
login_to_registry() {
  [ -f "$1/registry.password" ] || fail "the registry's password is not in $1 any more"
  local context mine=${DOCKER_CONFIG:-$HOME/.docker}
  context=$(docker context show 2>/dev/null) || context=default
  export DOCKER_CONFIG="$PWD/$1/docker"
  mkdir -p "$DOCKER_CONFIG"
  # Our own configuration has to name the same engine: a rootless one is a context of this user.
  if [ "${context:-default}" != default ]; then
    ln -sfn "$mine/contexts" "$DOCKER_CONFIG/contexts"
    export DOCKER_CONTEXT=$context
  fi
  docker login --username "$3" --password-stdin "$2" < "$1/registry.password" >/dev/null 2>"$1/login" ||
    { cat "$1/login" >&2; fail "registry $2 refused the login of $3"; }
}
# What becomes of each layer, for the deployer: off a terminal Docker prints no bytes, and the
# deployer learns from the registry how large each layer is. Nothing more is asked here.
tell_layers() {
  local ref=$1 line
  while IFS= read -r line; do
    case $line in
      *': Pulling fs layer' | *': Download complete' | *': Pull complete')
        [ -z "${channel:-}" ] || printf '@%s layer %s %s\n' "$channel" "$ref" "$line"
        ;;
    esac
  done
}
pull_image() {
  local ref=$1 tag=$2 missing=$3 error
  if ! grep -qxF -- "$ref" <<< "$missing"; then
    say "already here: $ref"
  else
    { error=$({ docker pull "$ref" | tell_layers "$ref" >&3; } 2>&1); } 3>&1 || { printf 'cannot pull %s: %s\n' "$ref" "$error" >&2; return 1; }
    say "pulled $ref"
  fi
  # Pulled by digest an image has no tag, and `docker image prune` would take it.
  docker tag "$ref" "${ref%@*}:$tag"
}
# Before a deploy asks for them: without a tag, since no release names them yet, and only with this
# room. Empty words for a registry and its user: no login. Prints each that came.
pull_ahead() {
  local room=$1 incoming=$2 registry=$3 user=$4 ref missing
  # shellcheck disable=SC2064  # expanded now: these names are gone when the trap runs
  trap "rm -rf $(printf %q "$incoming")" EXIT
  shift 4
  missing=$(missing_images "$@")
  [ -n "$missing" ] || return 0
  [ "$(df -Pk . | awk 'NR==2{print $4}')" -ge "$room" ] || fail "there is no room to pull ahead"
  [ -z "$registry" ] || login_to_registry "$incoming" "$registry" "$user"
  for ref in $missing; do
    # Noted first: what no release comes to name goes with the next release that is let go.
    say "$ref" >> .pulled-ahead
    docker pull -q "$ref" >/dev/null
    say "$ref"
  done
}
pull_images() {
  local tag=$1 ref pids=() code=0 pid missing
  shift
  missing=$(missing_images "$@")
  for ref in "$@"; do
    # Docker reads three layers at a time: more clients only take the processor from it.
    [ ${#pids[@]} -lt 4 ] || wait -n || true
    pull_image "$ref" "$tag" "$missing" & pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || code=21; done
  [ $code = 0 ] || { say "releases whose images are all on this server: $(whole_releases | sort -n | tail -n 10 | paste -sd' ' -)" >&2; exit $code; }
}
