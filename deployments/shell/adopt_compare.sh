# shellcheck shell=bash
# What Compose would do with each container, asked by a dry run.
# Reads: by_hand_compose

# What `up` would do with each container. The hash of `config --hash` does not tell: with an `env_file`
# or `network_mode: service:...` it is never the one that `up` gives a container.
compare_by_hand() {
  local said
  set_by_hand_compose "$@"
  said=$(timeout 45 "${by_hand_compose[@]}" --ansi never --progress plain --profile '*' --dry-run up -d --no-build --pull never </dev/null 2>&1) || return 0
  say "$said" | emit up
}
