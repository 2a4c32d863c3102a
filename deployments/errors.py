"""Every failure a person can meet, on one screen.

    HomeguruError              exit code 1  something did not work
    +-- WrongUse               exit code 2  the input is wrong; nothing was touched
    +-- Refused                exit code 3  requested something that is not allowed now
    |   +-- Locked             exit code 3  another run works on this environment
    +-- StepFailed             exit code 1  a step on the host failed
    |   +-- Unreachable        exit code 1  the host or a registry did not answer; repeating is safe
    +-- Interrupted            exit code 1  Ctrl-C, SIGTERM or a cancelled run

The text of an error is at most four parts: what happened, where, which state the
server is in now, and what to do next.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of every `homeguru` verb."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    REFUSED = 3


CODES: dict[ExitCode, str] = {
    ExitCode.DONE: "done, or nothing to do",
    ExitCode.FAILED: "failed; the text says in which state the server is",
    ExitCode.WRONG_USE: "wrong use: an unknown name, a missing value, a wrong file; nothing was touched",
    ExitCode.REFUSED: "refused or locked",
}
"""What each code means to whoever reads it."""


class HomeguruError(Exception):
    """A failure with the four things its reader needs.

    what:  one sentence, what happened.
    where: file, host, service or step; empty when `what` says it.
    state: which state the server is in now; empty when no server is concerned.
    todo:  what to do next.

    summary: what the run found until then, for programs; empty when it got nowhere.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, where: str = "", state: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.state = state
        self.todo = todo
        self.summary: dict[str, Any] = {}

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        lines = [first]
        if self.state:
            lines.append(f"Server: {self.state}")
        if self.todo:
            lines.append(f"Next: {self.todo}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Prefect pickles exceptions; keyword arguments need a hand."""
        parts = (self.what, self.where, self.state, self.todo, self.summary)
        return (_rebuild, (type(self), *parts))


def _rebuild(
    kind: type[HomeguruError],
    what: str,
    where: str,
    state: str,
    todo: str,
    summary: dict[str, Any],
) -> HomeguruError:
    error = kind(what, where=where, state=state, todo=todo)
    error.summary = summary
    return error


class WrongUse(HomeguruError):
    """The input is wrong; nothing was touched."""

    exit_code = ExitCode.WRONG_USE


class Refused(HomeguruError):
    """Not allowed in the state that the environment is in."""

    exit_code = ExitCode.REFUSED


class Locked(Refused):
    """Another run works on this environment."""


class StepFailed(HomeguruError):
    """A step failed on the host."""


class Unreachable(StepFailed):
    """A host or registry did not answer. Repeating is safe: nothing was begun."""


class Interrupted(HomeguruError):
    """A person or the platform requested that the run stop."""


KINDS: dict[str, type[HomeguruError]] = {
    kind.__name__: kind
    for kind in (HomeguruError, WrongUse, Refused, Locked, StepFailed, Unreachable, Interrupted)
}
"""Every kind of error, by the name that it has in JSON."""


PARTS = ("error", "where", "server", "next", "exit_code", "kind")
"""Keys of an error in JSON that are its own, and not what the run found."""


def sentence(error: BaseException) -> str:
    """What went wrong, without the rest; a defect names its kind."""
    if isinstance(error, HomeguruError):
        return error.what
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def in_state(failure: BaseException, state: str) -> BaseException:
    """The failure with the state that the server is in now; a defect stays a defect."""
    if not isinstance(failure, HomeguruError):
        return failure
    todo = failure.todo or "correct the cause, then run the same command again"
    kind = StepFailed if isinstance(failure, Unreachable) else type(failure)
    return _rebuild(kind, failure.what, failure.where, state, todo, failure.summary)


def as_dict(error: HomeguruError) -> dict[str, Any]:
    """For programs: what the run found, and the four parts of the error that ended it."""
    return {
        **error.summary,
        "error": error.what,
        "where": error.where,
        "server": error.state,
        "next": error.todo,
        "exit_code": int(error.exit_code),
        "kind": next(k.__name__ for k in type(error).__mro__ if k.__name__ in KINDS),
    }


def from_dict(data: dict[str, Any]) -> HomeguruError:
    """The error again, as another process left it."""
    kind = KINDS.get(str(data.get("kind")), HomeguruError)
    where, state, todo = (str(data.get(k, "")) for k in ("where", "server", "next"))
    summary = {name: value for name, value in data.items() if name not in PARTS}
    return _rebuild(kind, str(data["error"]), where, state, todo, summary)
