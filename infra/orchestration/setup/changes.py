"""One thing on the Prefect server, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from infra.orchestration.api.client import PrefectApi

What = Literal["created", "changed", "removed", "unchanged", "left over", "missing"]

PAGE = 100


@dataclass(frozen=True)
class Change:
    """`what` became of the thing; `detail` says what differed, or why it stays."""

    kind: str
    name: str
    what: What
    detail: str = ""

    @property
    def differs(self) -> bool:
        """Whether something was sent to the server."""
        return self.what in ("created", "changed", "removed")

    def __str__(self) -> str:
        """One line; those of a run stand in columns."""
        said = f"{self.what}: {self.detail}" if self.detail else self.what
        return f"{self.kind:<11} {self.name:<38} {said}"


def every(api: PrefectApi, path: str, body: dict[str, Any] | None = None) -> Iterator[Any]:
    """All things that a filter finds, page after page."""
    offset = 0
    while True:
        page = api.post(path, {**(body or {}), "limit": PAGE, "offset": offset})
        yield from page
        if len(page) < PAGE:
            return
        offset += PAGE
