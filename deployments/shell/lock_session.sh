# shellcheck shell=bash
# The session lock: held while a heartbeat arrives.

hold_session() {
  local owner=$1 silence=$2 patience=$3 one_off=$4 again=$5 linger=$6 answer=$7 word='' mine
  mkdir -p lock journal releases || fail "$(id -un) may not write in $PWD"
  exec 8>>lock/session
  # Who only looks asks for a moment whether somebody has it.
  flock -w 0.2 8 || { cat lock/owner; exit 75; }
  if [ -n "$again" ]; then grep -qF "\"token\":\"$again\"" lock/owner || exit 76; fi
  printf '%s\n' "${owner//@AT@/$(now)}" > lock/owner.new
  mv -f lock/owner.new lock/owner
  mine=$(cat lock/owner)
  settle_earlier_run "$patience" "$one_off"
  # The way back that an earlier run armed is this run's business now.
  [ -n "$again" ] || rm -rf .incoming deadman
  # What a plan that was interrupted left: it holds no lock, so only its age tells.
  find . -maxdepth 1 -name '.plan-*' -mmin +10 -exec rm -rf {} +
  say held
  while :; do
    while [ "$word" != bye ] && read -r -t "$silence" word; do : > lock/beat; done
    if [ "$word" = bye ] || ! beats_again "$linger"; then break; fi
  done
  [ "$(cat lock/owner)" != "$mine" ] || rm -rf .incoming
}
# Cut off, it may come back for its files by another connection: they stay a while, and the lock is free meanwhile.
# One that was only silent has it back where nobody took it; else its connection ends here, and tells it so.
beats_again() {
  local code=0
  exec 8>&-
  read -r -t "$1" word || code=$?
  # 1 is the end of its input: nothing more will come by this connection.
  [ $code != 1 ] || sleep "$1"
  exec 8>>lock/session
  flock -w 0.2 8 || exit 0
  [ $code = 0 ] || return 1
  [ "$(cat lock/owner)" = "$mine" ] || exit 76
  : > lock/beat
}
# Nothing else ends a question to a Docker that hangs: this command has no end of its own.
one_off_runs() {
  local found code=0
  found=$(timeout "$answer" docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null) || code=$?
  [ $code != 124 ] || fail "Docker on this host did not answer within $answer s"
  [ "$found" = true ]
}
settle_earlier_run() {
  exec 9>>lock/work
  if ! flock -n 9; then
    say "waiting for a command of an earlier run"
    flock -w "$1" 9 || { stop_work
      flock -w 60 9 || fail "a command of an earlier run still works on this host"; }
  fi
  if [ -n "$2" ] && one_off_runs "$2"; then
    say "waiting for $2 of an earlier run"
    timeout "$1" docker wait "$2" >/dev/null || timeout "$1" docker stop -t 10 "$2" >/dev/null || true
  fi
  exec 9>&-
}
