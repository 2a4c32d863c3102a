"""What becomes of the database: whether it changes, alone, and what must be approved."""

from __future__ import annotations

import pytest

from deployments.database.backups import Backup, Loss
from deployments.database.change import KEEP, DataChange
from deployments.database.migration_review import Finding, Migration, unreadable

SQL = "ALTER TABLE users ADD COLUMN note TEXT;"
BACKUP = Backup(
    id="20300101T000000Z", at="2030-01-01T00:00:00Z", database="homeguru",
    release="1-prod-sha-0123456789ab", revision="0001", reason="migration", run="run-1",
    server="16.14", bytes=1, sha256="ab",
)  # fmt: skip
DROP = Finding("destructive", "ALTER TABLE users DROP COLUMN name", "it may break clients")
INDEX = Finding("blocking", "CREATE INDEX ix ON users (name)", "updates are blocked")
NONE_DUE = Migration("BEGIN;\n\nCOMMIT;\n")
ADDITIVE = Migration(SQL, "0002")
BLOCKING = Migration(SQL, "0002", (INDEX,))
DESTRUCTIVE = Migration(SQL, "0002", (DROP, INDEX))
UNJUDGED = unreadable("no such option")


@pytest.mark.parametrize(
    ("change", "changes", "exclusive"),
    [
        (KEEP, False, False),
        (DataChange("keep", ADDITIVE), False, False),
        (DataChange("keep", UNJUDGED), False, False),
        (DataChange("migrate"), True, False),
        (DataChange("migrate", NONE_DUE), False, False),
        (DataChange("migrate", ADDITIVE), True, False),
        (DataChange("migrate", BLOCKING), True, False),
        (DataChange("migrate", DESTRUCTIVE), True, True),
        (DataChange("migrate", UNJUDGED), True, True),
        (DataChange("downgrade", ADDITIVE, to="0001"), True, True),
        (DataChange("downgrade", UNJUDGED, to="0001"), True, True),
        (DataChange("restore", backup=BACKUP), True, True),
    ],
)
def test_whether_the_database_changes_and_whether_its_users_stop(change, changes, exclusive):
    assert (change.changes, change.exclusive) == (changes, exclusive)


@pytest.mark.parametrize(
    "change",
    [
        KEEP,
        DataChange("keep", DESTRUCTIVE),
        DataChange("migrate"),
        DataChange("migrate", NONE_DUE),
        DataChange("migrate", ADDITIVE),
        DataChange("downgrade", ADDITIVE, to="0001"),
    ],
)
def test_what_asks_nobody(change):
    """A database that may not stay is refused, not asked for."""
    assert change.asks == ()


@pytest.mark.parametrize("kind", ["migrate", "downgrade"])
def test_each_finding_is_asked_for(kind):
    assert DataChange(kind, DESTRUCTIVE).asks == (
        "destructive: ALTER TABLE users DROP COLUMN name (it may break clients)",
        "blocking: CREATE INDEX ix ON users (name) (updates are blocked)",
    )


@pytest.mark.parametrize("kind", ["keep", "migrate", "downgrade"])
def test_what_nothing_could_review_is_asked_for(kind):
    assert DataChange(kind, UNJUDGED).asks == (
        "cannot be reviewed: its SQL could not be made (no such option)",
    )


def test_a_restore_asks_for_what_it_takes_back():
    lost = (Loss("users", 2, 1, 0, known=True), Loss("orders", 3, 0, 0, known=False))
    assert DataChange("restore", backup=BACKUP, losses=lost).asks == (
        "what was written since 2030-01-01T00:00:00Z is taken back: "
        "users: 2 inserted, 1 updated, 0 deleted since; orders: +3 rows since, updates unknown",
    )


def test_a_restore_that_loses_nothing_asks_all_the_same():
    assert DataChange("restore", backup=BACKUP).asks == (
        "what was written since 2030-01-01T00:00:00Z is taken back; "
        "nothing was, as far as is known",
    )
