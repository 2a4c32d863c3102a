"""New values that a person gave in this process: they are no parameter of a run, which is stored."""

from __future__ import annotations

_given: dict[str, str] = {}


def give(name: str, value: str) -> None:
    """Let a rotation of this process take a value of somebody's instead of a random one."""
    _given[name] = value


def given(name: str) -> str | None:
    """What was given for a secret; None where nothing was."""
    return _given.get(name)
