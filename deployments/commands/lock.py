"""The lock: a session held by a heartbeat, and a work lock held by every command.

sshd does not kill a command whose client died, and `compose run` lives in the daemon.
So (a) the session lock ends with the deployer's heartbeat, (b) every command that
changes something inherits a second descriptor, so the kernel holds the work lock until
it really ended, (c) one-off containers have fixed names and are waited for or stopped.
"""

from __future__ import annotations

from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment

SILENCE = 15
"""Seconds without a heartbeat after which the host frees the session lock."""
LINGER = 60
"""Seconds for which the files of a run that was cut off stay: it may come back for them."""
ANSWER = 30
"""Seconds within which the host's Docker answers, or is told to be the one that does not."""
PATIENCE = 120
"""Seconds for which a new run waits for a command, and then for a container, of an earlier one."""
ANSWERED = 2 * PATIENCE + 60 + ANSWER + PATIENCE + 30
"""Seconds after which a host that has not said whether the lock is held never will."""
HELD = "held"
BUSY = 75
"""Exit code: another run holds the session lock; its owner is on stdout."""
FENCED = 76
"""Exit code: this run lost the lock meanwhile and may not change anything."""

STOP = r"""
# `timeout` leads a process group and hands the signal on to all of it.
stop_work() {
  [ ! -s lock/pid ] || kill -TERM "$(cat lock/pid)" 2>/dev/null || true
}
"""

_SESSION = r"""
session() {
  local owner=$1 silence=$2 patience=$3 one_off=$4 again=$5 linger=$6 answer=$7 word= mine
  mkdir -p lock journal releases || fail "$(id -un) may not write in $PWD"
  exec 8>>lock/session
  flock -n 8 || { cat lock/owner; exit 75; }
  if [ -n "$again" ]; then grep -qF "\"token\":\"$again\"" lock/owner || exit 76; fi
  printf '%s\n' "${owner//@AT@/$(now)}" > lock/owner.new
  mv -f lock/owner.new lock/owner
  mine=$(cat lock/owner)
  settle "$patience" "$one_off"
  # The way back that an earlier run armed is this run's business now.
  [ -n "$again" ] || rm -rf .incoming deadman
  # What a plan that was interrupted left: it holds no lock, so only its age tells.
  find . -maxdepth 1 -name '.plan-*' -mmin +10 -exec rm -rf {} +
  say held
  while [ "$word" != bye ] && read -r -t "$silence" word; do : > lock/beat; done
  [ "$word" = bye ] || linger "$linger"
  [ "$(cat lock/owner)" != "$mine" ] || rm -rf .incoming
}
# Cut off, it may come back for its files: they stay a while, and the lock is free meanwhile.
linger() {
  exec 8>&-
  sleep "$1"
  exec 8>>lock/session
  flock -n 8 || exit 0
}
# Nothing else ends a question to a Docker that hangs: this command has no end of its own.
works() {
  local found code=0
  found=$(timeout "$answer" docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null) || code=$?
  [ $code != 124 ] || fail "Docker on this host did not answer within $answer s"
  [ "$found" = true ]
}
settle() {
  exec 9>>lock/work
  if ! flock -n 9; then
    say "waiting for a command of an earlier run"
    flock -w "$1" 9 || { stop_work
      flock -w 60 9 || fail "a command of an earlier run still works on this host"; }
  fi
  if [ -n "$2" ] && works "$2"; then
    say "waiting for $2 of an earlier run"
    timeout "$1" docker wait "$2" >/dev/null || timeout "$1" docker stop -t 10 "$2" >/dev/null || true
  fi
  exec 9>&-
}
"""

# A command outlives its deployer, and so must not end by a line that nobody reads any more.
_RELAYED = r"""
relay() { trap '' PIPE; cat 2>/dev/null || cat >/dev/null; }
relayed() { { { "$@" 3>&-; } 2>&1 >&3 3>&- | relay >&2 3>&-; } 3>&1 | relay; }
"""

_GUARD = r"""
guard() {
  local run=$1 token=$2 timeout=$3 begin=$4 end=$5 after=$6 body=$7 outcome=ok code=0
  exec 9>>lock/work
  flock -w 60 9 || fail "a command of an earlier run still works on this host"
  grep -qF "\"token\":\"$token\"" lock/owner || exit 76
  printf '%s\n' "${begin//@AT@/$(now)}" >> "journal/$run.jsonl"
  HOMEGURU_RUN=$run timeout -k 15 "$timeout" bash -c "$body" &
  printf '%s\n' $! > lock/pid
  wait $! || code=$?
  rm -f lock/pid
  [ $code = 0 ] || { outcome="failed $code"; after=; }
  end=${end//@OUTCOME@/$outcome}
  printf '%s\n' "${end//@AT@/$(now)}" ${after:+"${after//@AT@/$(now)}"} >> "journal/$run.jsonl"
  exit $code
}
"""


def hold_session(environment: Environment, owner: str, one_off: str, again: str = "") -> Script:
    """Take the session lock and keep it while a line arrives every few seconds; `bye` ends it.

    owner: one JSON line with the token; `@AT@` in it becomes the host's clock.
    one_off: name of the one-off container that an earlier run may have left.
    again: the token, when this run held the lock before and its connection broke; it is
    refused (exit code 76) when another run had the lock in between.
    """
    line = call("session", owner, SILENCE, PATIENCE, one_off, again, LINGER, ANSWER)
    return Script(join(prelude(environment), STOP, _SESSION, line), timeout=0)


def guarded(
    environment: Environment,
    run: str,
    token: str,
    begin: str,
    end: str,
    after: str,
    body: Script,
    channel: str = "",
) -> Script:
    """Run `body` under the work lock, with its journal lines before and after.

    begin, end: journal lines; `@AT@` and `@OUTCOME@` are filled in. after: a line that
    follows only a success, the one that ends the whole run. channel: the nonce of its results; it
    is exported to nothing that the body starts.
    """
    listening = call("declare", "+x", f"channel={channel}")
    inner = join(prelude(environment), listening, body.text)
    line = call("relayed", "guard", run, token, body.timeout, begin, end, after, inner)
    return Script(join(prelude(environment), _RELAYED, _GUARD, line), timeout=body.timeout + 90)


def stop_work(environment: Environment, token: str) -> Script:
    """End the command that this run left at work, and the way back that it armed."""
    mine = call("grep", "-qF", f'"token":"{token}"', "lock/owner") + " || exit 76"
    wait = "rm -rf deadman; exec 9>>lock/work; stop_work; flock -w 45 9 || fail 'the command does not end'"
    return Script(join(prelude(environment), STOP, mine, wait), timeout=60)
