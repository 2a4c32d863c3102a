"""The dead-man switch: the host goes back by itself when its deployer falls silent.

A detached script watches the deployer's heartbeat. As long as the deployer lives, it does
nothing, however long a deploy takes. It ends when its file is removed: by the record of the
run, by the deployer's own undo, or by the next run, which then puts things right itself.
What it did stands in the run's journal, and the next run records it.
"""

from __future__ import annotations

from deployments import journal
from deployments.commands.lock import STOP
from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment
from deployments.journal import Event
from deployments.ledger import canonical

FOLDER = "deadman"
FILES = f"{FOLDER}/files"
"""Where the files of the release to go back to lie, while it is armed."""

_WATCH = r"""
silence() { say $(($(date +%s) - $(stat -c %Y lock/beat 2>/dev/null || date +%s))); }
watch() {
  local timeout=$1
  while [ -e deadman/armed ]; do
    if [ "$(silence)" -lt "$timeout" ]; then sleep 1; continue; fi
    # One that comes back holds the lock again, or has held it meanwhile: then it is watched further.
    exec 8>>lock/session
    if flock -w 30 8 && [ "$(silence)" -ge "$timeout" ]; then break; fi
    exec 8>&-
  done
  [ -e deadman/armed ] || exit 0
  printf '%s\n' "${2//@AT@/$(now)}" > lock/owner.new
  mv -f lock/owner.new lock/owner
  exec 9>>lock/work
  flock -w 60 9 || { stop_work; flock -w 60 9 || fail "a command of the run does not end"; }
  docker ps -q --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=True |
    xargs -r docker stop -t 10 >/dev/null || true
}
note() { printf '%s\n' "${1//@AT@/$(now)}" >> "journal/$(cat deadman/run).jsonl"; }
# Each step in a shell of its own, as a deployer would call it.
go_back() {
  local begin=$1 end=$2 failed=$3 each
  note "$begin"
  for each in deadman/step-*.sh; do
    if ! bash "$each"; then note "$failed"; exit 1; fi
  done
  note "$end"
  rm -f deadman/armed
}
"""

_ARM = r"""
arm() {
  local incoming=$1
  rm -rf deadman
  mkdir -p deadman
  cp -r "$incoming/back" deadman/files
  mv deadman/files/watch.sh deadman/files/step-*.sh deadman/
  say "$HOMEGURU_RUN" > deadman/run
  : > lock/beat
  : > deadman/armed
  # No lock goes with it: both would be held for as long as it watches.
  setsid nohup bash deadman/watch.sh </dev/null >deadman/log 2>&1 8>&- 9>&- &
}
"""


def arm(incoming: str) -> Script:
    """Start the watch. `incoming`/back holds the scripts, and the files that move to `FILES`."""
    return Script(join(_ARM, call("arm", incoming)))


def scripts(environment: Environment, steps: list[Script]) -> dict[str, str]:
    """The watch and each step of the way back, by file name.

    Sent as files: of many services they are longer than one argument of a command may be.
    """
    head = prelude(environment)
    owner = canonical({
        "at": journal.AT, "one_off": "", "run": "dead-man switch", "token": FOLDER,
        "verb": "return", "who": "this server",
    })  # fmt: skip
    events: tuple[tuple[Event, str], ...] = (("undo", ""), ("end", "ok"), ("end", "failed"))
    lines = [journal.line("return", event, FOLDER, outcome) for event, outcome in events]
    watch = join(
        head, STOP, _WATCH, call("watch", environment.confirm_timeout, owner),
        call("go_back", *lines),
    )  # fmt: skip
    numbered = {f"step-{n}.sh": join(head, s.text) for n, s in enumerate(steps, start=100)}
    return {"watch.sh": watch, **numbered}
