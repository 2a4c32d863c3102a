# shellcheck shell=bash
# The environment's directory as working directory.

enter() {
  project=$1
  cd "$2" 2>/dev/null || fail "directory $2 does not exist, or $(id -un) may not enter it"
}
