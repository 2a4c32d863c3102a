"""What a filter of Prefect's API finds, page after page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.orchestration.api.client import PrefectApi

PAGE = 200
"""Things in one answer: the most that a server gives."""


def pages(api: PrefectApi, path: str, body: dict[str, Any] | None = None) -> Iterator[Any]:
    """All of them, in the filter's order. One page is asked for when the one before is used up."""
    offset = 0
    while True:
        page = api.post(path, {**(body or {}), "limit": PAGE, "offset": offset})
        yield from page
        if len(page) < PAGE:
            return
        offset += PAGE
