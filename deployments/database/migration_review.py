"""The migration policy: what the SQL of a migration may do without a person's yes.

Additive statements run. What removes or renames, and what blocks readers or writers while
it works, stops the plan until somebody approves it by name and reason; so does what cannot
be read. The rules are squawk's; what squawk has none for stands in `_OWN`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployments.errors import Refused
from deployments.history.ledger import Ledger
from deployments.history.revisions import heads_of, leads_to

DESTRUCTIVE = {
    "adding-not-nullable-field", "adding-required-field", "ban-drop-column", "ban-drop-database",
    "ban-drop-table", "ban-truncate-cascade", "changing-column-type", "renaming-column",
    "renaming-object", "renaming-table",
}  # fmt: skip
"""What removes, renames, or requires of every row what the release before does not write."""
BLOCKING = {
    "adding-exclusion-constraint", "adding-field-with-default", "adding-foreign-key-constraint",
    "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint", "constraint-missing-not-valid",
    "disallowed-unique-constraint", "require-concurrent-index-creation",
    "require-concurrent-index-deletion",
}  # fmt: skip
UNREADABLE = {"syntax-error"}
"""squawk then reports nothing about the rest."""
_BEGIN = r"(?:^|; ?)"
"""The beginning of a statement, or of a later one on the same line."""
_OWN = (
    (
        "destructive", "what it removes is gone",
        rf"{_BEGIN}(TRUNCATE|DELETE FROM|DROP (?!INDEX|TABLE|DATABASE)\w+)\b",
    ),
    (
        "destructive", "what it removes is gone",
        rf"{_BEGIN}(WITH\b.*\bDELETE FROM|MERGE\b.*\bTHEN DELETE)\b",
    ),
    ("destructive", "the name of before is gone", rf"{_BEGIN}ALTER \w.*\bSET SCHEMA\b"),
    (
        "destructive", "an earlier release may lean on it",
        rf"{_BEGIN}ALTER TABLE\b.*\bDROP (CONSTRAINT|DEFAULT)\b",
    ),
    (
        "blocking", "nobody reads or writes the table until it ends",
        rf"{_BEGIN}(VACUUM \(?[^;)]*\bFULL\b|CLUSTER\b|LOCK\b|REINDEX\b(?!.*\bCONCURRENTLY\b))",
    ),
    ("unreadable", "what it does cannot be read here", rf"{_BEGIN}(DO|CALL|EXECUTE)\b"),
)  # fmt: skip
"""Kind, why, and the statements: what squawk has no rule for."""
_BOOKKEEPING = re.compile(r"\balembic_version\b", re.I)
_FRAME = re.compile(r"^(BEGIN|COMMIT)$", re.I)


@dataclass(frozen=True)
class Lint:
    """One of squawk's findings. `line` counts from 1."""

    rule: str
    line: int
    message: str


@dataclass(frozen=True)
class Finding:
    """One statement that needs a yes, and why."""

    kind: str
    """`destructive`, `blocking` or `unreadable`."""
    statement: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.statement} ({self.why})" if self.statement else self.why


@dataclass(frozen=True)
class Migration:
    """What a release's migrations would do to the database as it is.

    sql: None when it could not be made. to: the revision that it leads to.
    """

    sql: str | None
    to: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether there is anything to do; what is not known is assumed to be something."""
        return self.sql is None or bool(statements(self.sql)) or bool(self.to)

    @property
    def loses(self) -> bool:
        """Whether the way back needs the backup: the schema of before is not a part of this one."""
        return any(f.kind != "blocking" for f in self.findings)


def review(sql: str, lints: list[Lint], since: str | None = None) -> Migration:
    """Review the SQL with squawk's findings. Source: `alembic upgrade A:head --sql`.

    since: the revision that it starts from.
    """
    gravest: dict[int, Finding] = {}
    for lint in lints:
        if kind := _kind(lint.rule):
            finding = Finding(kind, _at(sql, lint.line), _sentence(lint.message))
            gravest[lint.line] = min(gravest.get(lint.line, finding), finding, key=_gravest_first)
    destructive = {f.statement for f in gravest.values() if f.kind == "destructive"}
    own = [f for f in map(_finding, statements(sql)) if f and f.statement not in destructive]
    return Migration(sql, leads_to(since, sql), (*(gravest[n] for n in sorted(gravest)), *own))


def _kind(rule: str) -> str:
    """What a finding of this rule is; empty when it stops nothing."""
    kinds = {"destructive": DESTRUCTIVE, "unreadable": UNREADABLE, "blocking": BLOCKING}
    return next((kind for kind, rules in kinds.items() if rule in rules), "")


def _gravest_first(finding: Finding) -> int:
    return ("destructive", "unreadable", "blocking").index(finding.kind)


def _finding(statement: str) -> Finding | None:
    """The first of `_OWN` that a statement is."""
    for kind, why, form in _OWN:
        if re.search(form, statement, re.I):
            return Finding(kind, short(statement), why)
    return None


def unreadable(why: str) -> Migration:
    """A migration whose SQL cannot be made without running it."""
    reason = f"cannot be reviewed: its SQL could not be made ({why})"
    return Migration(None, "", (Finding("unreadable", "", reason),))


def of_unknown(tables: int) -> Migration:
    """A migration of a database that has tables and no revision: from where does it start?"""
    reason = (
        f"cannot be reviewed: the database has no revision, and {tables} tables that it may change"
    )
    return Migration(None, "", (Finding("unreadable", "", reason),))


def statements(sql: str) -> list[str]:
    """Statements but for the transaction's frame and alembic's own table."""
    bare = re.sub(r"^\s*--.*$|/\*[\s\S]*?\*/", "", sql, flags=re.M)
    parts = [" ".join(part.split()).rstrip("; ") for part in re.split(r";\s*(?:\n|$)", bare)]
    return [s for s in parts if s and not _FRAME.match(s) and not _BOOKKEEPING.search(s)]


def refusal(
    output: str, revision: str, ledger: Ledger, release: str, environment: str
) -> Refused | None:
    """The reason why alembic will not go from this revision at all; None when it is another."""
    if "Multiple head revisions" in output:
        return Refused(
            f"release {release} has several heads of its migrations", state="unchanged",
            todo="alembic merge heads, commit, publish again; or migrate to all of them: "
            "`heads` for `head` in the `command` and `sql` of x-deploy.migrate",
        )  # fmt: skip
    if "Can't locate revision" not in output:
        return None
    by = [line.release for line in ledger.lines if revision in heads_of(line.revision.after)]
    if by:
        return Refused(
            f"the database is ahead of release {release}: {revision} came with {by[0]}",
            state="unchanged",
            todo=f"an earlier release of this server: homeguru rollback RELEASE --env {environment}, which "
            f"says what becomes of the database; homeguru history --env {environment} shows them",
        )
    return Refused(
        f"release {release} does not know the database's revision {revision}", state="unchanged",
        todo="deploy the release that made it, or bring the database to a revision it knows",
    )  # fmt: skip


def short(statement: str, width: int = 90) -> str:
    """One line of a statement, for people."""
    return statement if len(statement) <= width else f"{statement[: width - 1]}…"


def _at(sql: str, line: int) -> str:
    """The statement that a line is a part of."""
    offset = sum(len(text) + 1 for text in sql.split("\n")[: line - 1])
    begin = sql.rfind(";", 0, offset) + 1
    bare = re.sub(r"^\s*--.*$", "", sql[begin:], flags=re.M)
    return short(" ".join(bare.partition(";")[0].split()))


def _sentence(message: str) -> str:
    first = message.partition(". ")[0].rstrip(".")
    return first[0].lower() + first[1:]
