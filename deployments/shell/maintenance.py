"""Maintenance on the host: the edge's file first, then the note that says whether it is on."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.shell.quote import Script, call, functions, join

TIMEOUT = 120
"""Seconds: checking the file, reloading, and an answer from each port."""


def switch_edge(service: str, config: str, ports: Sequence[int], *, on: bool, then: str) -> Script:
    """Give the edge a file and wait until it answers by it. then: what is done afterwards."""
    switch = call("switch_edge", service, config, "on" if on else "off", *ports)
    return Script(join(functions("edge", "maintenance"), switch, then), TIMEOUT)


def note(text: str) -> str:
    """Note that it is on."""
    return call("note_maintenance", text)


def note_again(text: str) -> Script:
    """Note another reason; nothing else changes."""
    return Script(join(functions("maintenance"), note(text)))


FORGET = "forget_maintenance"
"""No note any more."""
