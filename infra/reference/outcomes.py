"""How commands end, and what Prefect hears of a run: exit codes, errors, events, automations."""

from __future__ import annotations

import inspect

from deployments.errors import CODES, KINDS, PARTS, ExitCode
from deployments.health.alerts import EVENT, NEWS
from infra.orchestration.liveness import BEGINS_WITHIN, SILENT_AFTER
from infra.orchestration.setup import automations
from infra.reference.markdown import code, page, table

OTHERS = """
`exec` and `psql` end with the exit code of the command that they ran, whatever that means to it, and with 255
where `ssh` could not connect, lost the connection or was ended by a signal. What is refused before that ends
with one of the four, and says `Error:`.
"""

ERRORS = """
## Errors

An error has at most four parts: what happened, where, the state of the server after `Server:`, and
what to do after `Next:`. With `--json` the document of a failed run has the keys {keys}, besides what
the run found until then. `kind` is one of:
"""

EVENTS = """
`verify` compares what it found with the look before, and emits an event only where something changed.
The resource is `{event}.NAME`, with the name of the environment; the payload has `problems`, a list of
sentences, and `seconds`, for how long it is or was unwell. An automation of your own may act on them.
"""

AUTOMATIONS = """
## Automations

Prefect emits events of its own about each run. `homeguru setup` registers these automations, for the
flows of this project alone; one that a person switched off stays off.
"""


def exit_codes() -> str:
    """The page of exit codes and kinds of errors."""
    keys = ", ".join(map(code, PARTS))
    kinds = [
        (code(name), str(int(kind.exit_code)), inspect.cleandoc(kind.__doc__ or "").split("\n")[0])
        for name, kind in KINDS.items()
    ]
    return page(
        "Exit codes and errors",
        "Every command ends with one of four codes, but for `exec` and `psql`.",
        table(("exit code", "meaning"), [(str(int(c)), CODES[c]) for c in ExitCode]),
        OTHERS,
        ERRORS.format(keys=keys),
        table(("kind", "exit code", "meaning"), kinds),
    )


def events() -> str:
    """The page of events and automations."""
    ours = automations.wanted(["FLOW"], SILENT_AFTER, BEGINS_WITHIN)
    return page(
        "Events and automations",
        EVENTS.format(event=EVENT),
        table(("event", "when"), [(code(f"{EVENT}.{kind}"), when) for kind, when in NEWS.items()]),
        AUTOMATIONS,
        table(("automation", "what it does"), [(code(a["name"]), _marked(a)) for a in ours]),
    )


def _marked(automation: dict[str, str]) -> str:
    return f"{automation['description']} The run is marked as crashed."
