"""The dead-man switch: the host goes back by itself when its deployer falls silent.

A detached script watches the deployer's heartbeat. As long as the deployer lives, it does
nothing, however long a deploy takes. It ends when its file is removed: by the record of the
run, by the deployer's own undo, or by the next run, which then puts things right itself.
What it did stands in the run's journal, and the next run records it.
"""

from __future__ import annotations

from deployments.canonical import canonical
from deployments.environment.schema import Environment
from deployments.history import journal
from deployments.history.journal import Event
from deployments.history.step_kind import StepKey
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join

FOLDER = "deadman"
FILES = f"{FOLDER}/files"
"""Where the files of the release to go back to lie, while it is armed."""


def arm(incoming: str) -> Script:
    """Start the watch. `incoming`/back holds the scripts, and the files that move to `FILES`."""
    return Script(join(functions("deadman_arm"), call("arm_deadman", incoming)))


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
    lines = [
        journal.step_line(StepKey("return"), event, FOLDER, outcome) for event, outcome in events
    ]
    watch = join(
        head, functions("lock_stop", "deadman_watch"), call("watch_heartbeat", environment.confirm_timeout, owner),
        call("run_way_back", *lines),
    )  # fmt: skip
    numbered = {f"step-{n}.sh": join(head, s.text) for n, s in enumerate(steps, start=100)}
    return {"watch.sh": watch, **numbered}
