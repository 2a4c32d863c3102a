# shellcheck shell=bash
# Backups that their policy lets go.

prune_backups() {
  local made=$1 id
  shift
  # The one that the others are counted against: without it they are the newest there are.
  [ -z "$made" ] || [ -f "backups/$made.json" ] || fail "backup $made of this run is not here: every other one stays"
  for id in "$@"; do
    rm -f "backups/$id.dump" "backups/$id.json"
    say "backup $id went, by policy"
  done
}
