# shellcheck shell=bash
# The environment's directory as working directory, and nothing of the login in what Compose reads.

# Compose believes its own environment more than a file: what a login brings, such as USER or LANG,
# would take the place of the application's own values. Docker itself needs the names that stay.
keep_login_out() {
  local name
  brought=$(compgen -e)
  while read -r name; do
    case $name in
      HOME | PATH | XDG_RUNTIME_DIR | XDG_CONFIG_HOME | DOCKER_HOST | DOCKER_CONTEXT | DOCKER_CONFIG) ;;
      DOCKER_CERT_PATH | DOCKER_TLS_VERIFY | DOCKER_API_VERSION | HOMEGURU_RUN) ;;
      *) export -n "${name?}" 2>/dev/null || true ;;
    esac
  done <<< "$brought"
}
# For another bash with a prelude of its own, and for Compose as it is called by hand.
let_login_in() {
  local name
  while read -r name; do [ -z "$name" ] || export "${name?}"; done <<< "${brought:-}"
}
enter() {
  project=$1
  cd "$2" 2>/dev/null || fail "directory $2 does not exist, or $(id -un) may not enter it"
  keep_login_out
}
