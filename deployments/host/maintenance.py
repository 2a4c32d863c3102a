"""Maintenance: the edge answers for every service. What the host notes of it, and how it is read."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum

from deployments.canonical import canonical
from deployments.errors import WrongUse
from deployments.text import plain

AT = "@AT@"
"""Replaced on the host by its own clock, in UTC."""
LONGEST = 200
"""Characters of a reason."""


class Switch(StrEnum):
    """What becomes of maintenance."""

    on = "on"
    off = "off"


@dataclass(frozen=True)
class Maintenance:
    """What a host notes while it is on. Texts are empty where the note does not tell."""

    since: str
    who: str
    reason: str

    def __str__(self) -> str:
        """For people."""
        since = f" since {self.since[:16].replace('T', ' ')} UTC" if self.since else ""
        who = f" by {self.who}" if self.who else ""
        return f"on{since}{who}" + (f": {self.reason}" if self.reason else "")

    def to_json(self) -> str:
        """The note, one line."""
        return canonical(asdict(self))


def checked_reason(text: str) -> str:
    """A reason as it is noted: one line; raises WrongUse for one that is too long for that."""
    reason = _line(text)
    if len(reason) > LONGEST:
        raise WrongUse(
            f"the reason has {len(reason)} characters, and {LONGEST} are the most",
            state="untouched", todo="say it shorter",
        )  # fmt: skip
    return reason


def read_maintenance(text: str | None) -> Maintenance | None:
    """The host's note; None where there is none. One that nobody can read says that it is on."""
    if text is None:
        return None
    try:
        note = json.loads(text)
    except ValueError:
        note = {}
    note = note if isinstance(note, dict) else {}
    since = str(note.get("since", ""))
    return Maintenance(
        since=since if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", since, re.A) else "",
        who=_line(str(note.get("who", "")))[:LONGEST],
        reason=_line(str(note.get("reason", "")))[:LONGEST],
    )


def _line(text: str) -> str:
    return " ".join(plain(text).split())
