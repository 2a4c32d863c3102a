"""Revisions of a database: one, or the several heads that a release may leave."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deployments.errors import StepFailed

LONGEST = 200
_FORM = re.compile(r"\w[\w.:+=/@~-]*")


def parse_revisions(rows: Iterable[str]) -> str | None:
    """Rows of the revision query as one text, joined by commas; None for an empty database.

    In order, since a table has none: the same heads are the same text. The application writes
    that table, so what reads like no revision is refused.
    """
    found = sorted({row for row in rows if row})
    for row in found:
        if len(row) > LONGEST or not _FORM.fullmatch(row):
            raise StepFailed(
                f"the database's revision reads like none: {row[:60]!r}", state="unchanged",
                todo="x-deploy.database.revision must select one name a row, of letters, digits "
                "and . _ - : + = / @ ~; look at what that table holds",
            )  # fmt: skip
    return ",".join(found) or None


def heads_of(revision: str | None) -> tuple[str, ...]:
    """`a,b` -> a and b."""
    return tuple(revision.split(",")) if revision else ()
