# shellcheck shell=bash
# Images that are not on this host yet.

# One question for all. Docker shortens names of its own registry, and only these.
missing_images() {
  local ref known
  [ $# -gt 0 ] || return 0
  known=$(docker image inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' "$@" 2>/dev/null) || true
  for ref in "$@"; do
    if grep -qxF -- "$ref" <<< "$known"; then continue; fi
    case $ref in *docker.io/*) ! docker image inspect "$ref" >/dev/null 2>&1 || continue ;; esac
    printf '%s\n' "$ref"
  done
}
