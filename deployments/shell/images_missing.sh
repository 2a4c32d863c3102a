# shellcheck shell=bash
# Images that are not on this host yet.

missing_images() {
  local ref
  for ref in "$@"; do docker image inspect "$ref" >/dev/null 2>&1 || printf '%s\n' "$ref"; done
}
