"""Who requests a run, and from where: the flows' parameter `by`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

Origin = Literal["ui", "actions", "cli", "schedule"]

_FORM = re.compile(r"^(?P<origin>[a-z]+):(?P<who>[^\s:]\S*)(?: (?P<link>https?://\S+))?(?: (?P<commit>[0-9a-f]{7,40}))?$")  # fmt: skip


@dataclass(frozen=True)
class Requester:
    """A claim: nothing of it is proven. `link` is the page of a run in Actions."""

    who: str
    origin: Origin
    link: str = ""
    commit: str = ""

    def __str__(self) -> str:
        """`actions:octocat https://github.com/o/r/actions/runs/1 0a1b2c3d4e5f`."""
        return " ".join(filter(None, (f"{self.origin}:{self.who}", self.link, self.commit)))

    @property
    def tags(self) -> list[str]:
        """What a person filters runs by."""
        return [f"by:{self.who}", f"from:{self.origin}", *([self.commit] if self.commit else [])]


def parse_requester(text: str) -> Requester | None:
    """Read the parameter; what does not read as one of ours is a name typed into the form."""
    if not text.strip():
        return None
    match = _FORM.match(text.strip())
    if match is None or match["origin"] not in get_args(Origin):
        return Requester(" ".join(text.split())[:80], "ui")
    origin = cast("Origin", match["origin"])
    return Requester(match["who"], origin, match["link"] or "", match["commit"] or "")
