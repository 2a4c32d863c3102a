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
    revisions = sorted({row for row in rows if row})
    for row in revisions:
        if len(row) > LONGEST or not _FORM.fullmatch(row):
            raise StepFailed(
                f"the database's revision reads like none: {row[:60]!r}", state="unchanged",
                todo="x-deploy.database.revision must select one name a row, of letters, digits "
                "and . _ - : + = / @ ~; look at what that table holds",
            )  # fmt: skip
    return ",".join(revisions) or None


def heads_of(revision: str | None) -> tuple[str, ...]:
    """`a,b` -> a and b."""
    return tuple(revision.split(",")) if revision else ()


_SECTION = re.compile(r"^-- Running \w+ .* -> .*$", re.M)
"""Alembic's line before the statements of one revision."""
_STEP = re.compile(
    r"alembic_version\b[^;]*VALUES \('(?P<new>[^']+)'\)"
    r"|SET version_num='(?P<to>[^']+)'[^;]*version_num = '(?P<before>[^']+)'"
    r"|DELETE FROM [^;]*\balembic_version\b[^;]*version_num = '(?P<gone>[^']+)'"
)
"""What a migration does to alembic's own table."""


def leads_to(since: str | None, sql: str) -> str:
    """The revision that a migration leads to from another one; empty where it changes none."""
    heads, changed = set(heads_of(since)), False
    for step in _STEP.finditer(sql):
        changed = True
        heads -= {step["before"], step["gone"]}
        heads |= {name for name in (step["new"], step["to"]) if name}
    return ",".join(sorted(heads)) if changed else ""


def pending_of_all(printed: list[str]) -> str | None:
    """The SQL that is pending from several heads at once, of what is printed from each alone.

    Alembic prints from one revision only, and so what lies on the other branches too, whether it
    was run or not. A revision that is in each text is below none of the heads: it is pending. None
    where a text with statements has no section for each revision.
    """
    texts = [_sections(sql) for sql in printed]
    if any(revision is None for revision in texts):
        return None
    first, *others = (revision for revision in texts if revision is not None)
    begin = printed[0][: match.start()] if (match := _SECTION.search(printed[0])) else ""
    pending = [text for name, text in first.items() if all(name in other for other in others)]
    sql = begin + "".join(pending)
    frame = re.findall(r"^(BEGIN|COMMIT);", sql, re.M)
    return f"{sql}COMMIT;\n" if frame and frame[-1] == "BEGIN" else sql


def _sections(sql: str) -> dict[str, str] | None:
    """The part of each revision, by its line; None where something is of none."""
    begins = [match.start() for match in _SECTION.finditer(sql)]
    head = sql[: begins[0]] if begins else sql
    if re.sub(r"^(BEGIN|COMMIT);$|^\s*--.*$|\s", "", head, flags=re.M):
        return None
    parts = [sql[a:b] for a, b in zip(begins, [*begins[1:], len(sql)], strict=True)]
    return {part.partition("\n")[0].strip(): part for part in parts}
