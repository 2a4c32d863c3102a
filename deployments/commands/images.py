"""Pulling images on the host, by digest."""

from __future__ import annotations

from deployments.commands.quote import Script, call, join

REFERENCES = r"""
# What a release's record says its images are.
references() { sed -n "s/^[A-Z][A-Z0-9_]*_IMAGE='\(.*@sha256:[0-9a-f]*\)'\$/\1/p" "$1/variables.env" 2>/dev/null | sort -u; }
"""

_PULL = r"""
whole_releases() {
  local folder ref
  for folder in releases/*/; do
    [ -s "$folder/variables.env" ] || continue
    for ref in $(references "$folder"); do
      docker image inspect "$ref" >/dev/null 2>&1 || continue 2
    done
    basename "$folder"
  done
}
login() {
  [ -f "$1/registry.password" ] || fail "the registry's password is not in $1 any more"
  export DOCKER_CONFIG="$PWD/$1/docker"
  mkdir -p "$DOCKER_CONFIG"
  docker login --username "$3" --password-stdin "$2" < "$1/registry.password" >/dev/null 2>"$1/login" ||
    { cat "$1/login" >&2; fail "registry $2 refused the login of $3"; }
}
pull_one() {
  local ref=$1 tag=$2 error
  if docker image inspect "$ref" >/dev/null 2>&1; then
    say "already here: $ref"
  else
    error=$(docker pull -q "$ref" 2>&1 >/dev/null) || { printf 'cannot pull %s: %s\n' "$ref" "$error" >&2; return 1; }
    say "pulled $ref"
  fi
  # Pulled by digest an image has no tag, and `docker image prune` would take it.
  docker tag "$ref" "${ref%@*}:$tag"
}
pull() {
  local tag=$1 ref pids=() code=0 pid
  shift
  for ref in "$@"; do pull_one "$ref" "$tag" & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid" || code=21; done
  [ $code = 0 ] || { say "releases whose images are all on this server: $(whole_releases | sort -n | tail -n 10 | paste -sd' ' -)" >&2; exit $code; }
}
"""


def pull(references: list[str], tag: str, login: tuple[str, str, str] | None = None) -> Script:
    """Pull references (`host/repository@sha256:...`) side by side and tag them.

    login: (incoming directory, registry, user); the password lies in a file there.
    """
    return Script(
        join(
            REFERENCES,
            _PULL,
            call("login", *login) if login else "",
            call("pull", tag, *references),
        ),
        timeout=1800,
    )
