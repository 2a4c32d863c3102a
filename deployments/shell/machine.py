"""Making a host of a fresh machine: what is there, each step, and the way back of what could lock out."""

from __future__ import annotations

import shlex

from deployments.shell.quote import Script, call, functions, join

PATIENCE = 90
"""Seconds after which a change that could lock out takes itself back, unless it was confirmed."""


def survey(user: str, administrator: str, directory: str, packages: tuple[str, ...]) -> Script:
    """Ask what a machine has; run as root. administrator: an account's name, or empty."""
    words = (user, administrator, directory, *packages)
    return Script(
        join(
            functions("prelude", "observe_emit", "machine_survey"),
            call("survey_machine", *words),
        )
    )


def prepare(step: str, who: str, *calls: str, timeout: int = 60) -> Script:
    """One step, between its two lines in the machine's journal. calls: lines of shell, from below."""
    return Script(
        join(
            functions("prelude", "machine_prepare"), "umask 022", call("note_step", step, "begin", who),
            *calls, call("note_step", step, "end", who),
        ),
        timeout,
    )  # fmt: skip


def by_hand(*calls: str) -> str:
    """All steps as one text, for a console into which it is pasted."""
    return join(functions("prelude", "machine_prepare"), "umask 022", *calls)


def as_root(script: Script, user: str) -> Script:
    """The same script for a user who becomes root by sudo; root runs it as it is."""
    if user == "root":
        return script
    return Script(f"exec sudo -n bash --norc -c {shlex.quote(script.text)}\n", script.timeout)


def may_become_root(user: str) -> Script:
    """Whether a user is root, or becomes it without a password."""
    return Script("true\n" if user == "root" else "sudo -n true\n")


def may_deploy(directory: str) -> Script:
    """Whether the deploy user may use Docker, and write where everything of a deploy lies."""
    return Script(f"docker version >/dev/null && {call('test', '-w', directory)}\n")


def unless_there(path: str, line: str) -> str:
    """A call for a console, where nothing is known of the machine: not over a file of a person's."""
    return f"{call('[ -e', path)} ] || {line}"


def keep(change: str) -> Script:
    """Confirm a change that would take itself back."""
    return Script(
        join(functions("prelude", "machine_prepare"), "umask 022", call("keep_change", change))
    )


def take_back(*changes: str) -> Script:
    """Take changes back at once that are not confirmed, an earlier run's too."""
    calls = (call("return_change", change) for change in changes)
    return Script(join(functions("prelude", "machine_prepare"), "umask 022", *calls))
