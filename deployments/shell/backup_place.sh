# shellcheck shell=bash
# A backup that came back from a copy elsewhere, put among the others.

place_backup() {
  local brought=backups/.$1
  mkdir -p lock
  exec 9>>lock/work
  # A backup at work takes a dump that is not described yet for what a killed run left.
  flock -w 60 9 || fail "a command of a run still works on this host"
  mv -f "$brought.dump" "backups/$1.dump"
  mv -f "$brought.json" "backups/$1.json"
  find backups -maxdepth 1 -type f -name '.*' -mmin +1440 -delete
}
