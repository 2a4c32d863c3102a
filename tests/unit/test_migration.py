"""The migration policy: alembic's SQL and squawk's findings in, what needs a yes out.

The SQL stands as `alembic upgrade A:head --sql` prints it, with its frame and bookkeeping.
"""

from __future__ import annotations

import pytest

from deployments.database.migration_review import (
    Lint,
    refusal,
    review,
    short,
    statements,
    unreadable,
)
from deployments.history.ledger import Ledger, Revision

RELEASE = "prod-sha-0123456789ab"
FIRST = """\
BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE messages (
    id BIGSERIAL NOT NULL, 
    text TEXT NOT NULL, 
    PRIMARY KEY (id)
);

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;

COMMIT;

"""  # noqa: W291


def upgrade(*texts, frm="0001", to="0002"):
    """The SQL of one migration; its first statement begins at line 5."""
    body = "".join(f"{text};\n\n" for text in texts)
    said = (
        f"UPDATE alembic_version SET version_num='{to}' WHERE alembic_version.version_num = '{frm}'"
    )
    return f"BEGIN;\n\n-- Running upgrade {frm} -> {to}\n\n{body}{said};\n\nCOMMIT;\n\n"


def found(sql, *lints):
    return [(f.kind, f.statement) for f in review(sql, list(lints)).findings]


# -- what runs ------------------------------------------------------------------------


def test_an_additive_migration_runs():
    sql = upgrade(
        "ALTER TABLE messages ADD COLUMN note TEXT", "CREATE TABLE users (\n    id INT\n)"
    )
    lints = [
        Lint("require-lock-timeout", 5, "Missing `set lock_timeout` before slow operations"),
        Lint("prefer-bigint-over-int", 8, "Using 32-bit integer fields can hit the limit."),
    ]
    reviewed = review(sql, lints)
    assert (reviewed.pending, reviewed.loses, reviewed.findings) == (True, False, ())
    assert reviewed.sql == sql


def test_the_frame_and_alembics_own_table_are_no_statements():
    assert statements(upgrade()) == []
    assert statements(FIRST) == [
        "CREATE TABLE messages ( id BIGSERIAL NOT NULL, text TEXT NOT NULL, PRIMARY KEY (id) )"
    ]


def test_a_semicolon_too_many_or_in_a_text_makes_no_other_statement():
    sql = upgrade("INSERT INTO messages (text) VALUES ('a;b')", "CREATE TABLE a (b INT);")
    assert statements(sql) == [
        "INSERT INTO messages (text) VALUES ('a;b')",
        "CREATE TABLE a (b INT)",
    ]


@pytest.mark.parametrize("sql", ["", "BEGIN;\n\nCOMMIT;\n\n"])
def test_nothing_to_do(sql):
    reviewed = review(sql, [])
    assert (reviewed.pending, reviewed.loses, reviewed.findings) == (False, False, ())


def test_a_merge_of_two_heads_has_no_statements_and_is_pending():
    reviewed = review(upgrade(), [])
    assert (reviewed.pending, reviewed.loses, reviewed.findings) == (True, False, ())


@pytest.mark.parametrize(
    ("sql", "to"),
    [
        (FIRST, "0001"),
        (upgrade(), "0002"),
        (upgrade() + upgrade(frm="0002", to="0003"), "0003"),
        (FIRST + upgrade(frm="0001", to="a1b2c3d40002"), "a1b2c3d40002"),
        ("BEGIN;\n\nCOMMIT;\n\n", ""),
    ],
)
def test_where_it_leads(sql, to):
    assert review(sql, []).to == to


# -- what stops -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE messages DROP COLUMN text", "ban-drop-column"),
        ("DROP TABLE messages", "ban-drop-table"),
        ("ALTER TABLE messages RENAME text TO body", "renaming-column"),
        ("ALTER TABLE messages RENAME TO posts", "renaming-table"),
        ("ALTER TABLE messages ALTER COLUMN text TYPE VARCHAR(10)", "changing-column-type"),
    ],
)
def test_what_removes_or_renames_is_destructive(statement, rule):
    sql = upgrade("CREATE TABLE users (id INT)", statement)
    reviewed = review(sql, [Lint(rule, 7, "It may break existing clients.")])
    assert [str(f) for f in reviewed.findings] == [
        f"destructive: {statement} (it may break existing clients)"
    ]
    assert reviewed.loses


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX ix ON messages (text)", "require-concurrent-index-creation"),
        ("DROP INDEX ix", "require-concurrent-index-deletion"),
    ],
)
def test_what_blocks_stops_and_loses_nothing(statement, rule):
    reviewed = review(upgrade(statement), [Lint(rule, 5, "Writes are blocked. Use another way.")])
    assert [str(f) for f in reviewed.findings] == [f"blocking: {statement} (writes are blocked)"]
    assert not reviewed.loses


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE messages ADD COLUMN n INTEGER NOT NULL", "adding-required-field"),
        ("ALTER TABLE messages ALTER COLUMN text SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "renaming-object"),
    ],
)
def test_what_the_release_before_cannot_write_into_needs_a_way_back(statement, rule):
    reviewed = review(upgrade(statement), [Lint(rule, 5, "It fails there.")])
    assert [str(f) for f in reviewed.findings] == [f"destructive: {statement} (it fails there)"]
    assert reviewed.loses


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE messages",
        "truncate table messages",
        "DELETE FROM messages WHERE id < 10",
        "DELETE  FROM\n    messages",
        "DROP TYPE mood",
        "DROP VIEW newest",
        "DROP SCHEMA old CASCADE",
        "UPDATE messages SET text = ''; DELETE FROM messages",
        "WITH old AS (SELECT id FROM messages) DELETE FROM messages USING old",
        "ALTER TABLE messages SET SCHEMA old",
        "ALTER TABLE messages DROP CONSTRAINT messages_text_key",
        "ALTER TABLE messages\n    ADD COLUMN a INT,\n    DROP CONSTRAINT IF EXISTS b",
    ],
)
def test_what_squawk_has_no_rule_for_is_found_by_our_own(statement):
    assert found(upgrade(statement)) == [("destructive", " ".join(statement.split()))]


@pytest.mark.parametrize(
    "statement",
    ["VACUUM FULL messages", "VACUUM (FULL, ANALYZE) messages", "CLUSTER messages USING ix",
     "LOCK TABLE messages", "REINDEX TABLE messages"],
)  # fmt: skip
def test_what_locks_a_table_for_long_is_found_by_our_own(statement):
    assert found(upgrade(statement)) == [("blocking", statement)]


@pytest.mark.parametrize(
    "statement",
    [
        "VACUUM messages",
        "REINDEX INDEX CONCURRENTLY ix",
        "WITH a AS (SELECT 1) INSERT INTO messages (text) SELECT 'x' FROM a",
        "ALTER TABLE a ADD FOREIGN KEY(b) REFERENCES c (id) ON DELETE CASCADE",
        "INSERT INTO messages (text) VALUES ('DELETE FROM')",
        "ALTER TABLE messages ALTER COLUMN text DROP NOT NULL",
    ],
)
def test_our_own_rules_read_the_beginning_of_a_statement(statement):
    assert found(upgrade(statement)) == []


def test_a_block_of_code_cannot_be_reviewed():
    reviewed = review(upgrade("DO $$ BEGIN PERFORM tidy(); END $$"), [])
    assert [f.kind for f in reviewed.findings] == ["unreadable"]
    assert reviewed.loses


def test_sql_that_squawk_cannot_read_cannot_be_reviewed():
    """It says nothing of the rest, then: a DROP COLUMN below would pass unseen."""
    sql = upgrade("CREATE TABLE a (b", "ALTER TABLE messages DROP COLUMN text")
    reviewed = review(sql, [Lint("syntax-error", 5, "expected R_PAREN")])
    assert [str(f) for f in reviewed.findings] == [
        "unreadable: CREATE TABLE a (b (expected R_PAREN)"
    ]
    assert reviewed.loses


def test_a_finding_names_the_whole_statement_that_its_line_is_in():
    sql = upgrade("ALTER TABLE messages\n    ADD COLUMN a INT,\n    DROP COLUMN text")
    assert found(sql, Lint("ban-drop-column", 7, "Gone.")) == [
        ("destructive", "ALTER TABLE messages ADD COLUMN a INT, DROP COLUMN text")
    ]


def test_a_finding_in_the_first_statement_does_not_name_the_comment_above():
    assert found(upgrade("DROP TABLE messages"), Lint("ban-drop-table", 5, "Gone.")) == [
        ("destructive", "DROP TABLE messages")
    ]


LINTS = [
    Lint("ban-drop-column", 5, "Gone."),
    Lint("adding-field-with-default", 5, "Blocks."),
    Lint("syntax-error", 5, "Unread."),
]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 2), (2, 0), (0, 1, 2), (2, 1, 0)])
def test_several_lints_on_one_line_are_one_finding_the_gravest(order):
    sql = upgrade("ALTER TABLE messages DROP COLUMN text")
    [only] = review(sql, [LINTS[n] for n in order]).findings
    assert (only.kind, only.why) == ("destructive", "gone")


def test_of_two_blocking_lints_on_one_line_the_first_is_told():
    sql = upgrade("ALTER TABLE a ADD CONSTRAINT u UNIQUE (b)")
    lints = [
        Lint("constraint-missing-not-valid", 5, "First."),
        Lint("disallowed-unique-constraint", 5, "Second."),
    ]
    assert [str(f) for f in review(sql, lints).findings] == [
        "blocking: ALTER TABLE a ADD CONSTRAINT u UNIQUE (b) (first)"
    ]


def test_what_squawk_and_we_both_find_is_told_once():
    sql = upgrade("TRUNCATE messages CASCADE")
    [only] = review(sql, [Lint("ban-truncate-cascade", 5, "It truncates more.")]).findings
    assert only.why == "it truncates more"


def test_findings_stand_in_the_order_of_their_lines():
    sql = upgrade("DROP TABLE a", "CREATE INDEX ix ON b (c)", "DROP TABLE d")
    lints = [
        Lint("ban-drop-table", 9, "Gone."),
        Lint("require-concurrent-index-creation", 7, "Blocks."),
        Lint("ban-drop-table", 5, "Gone."),
    ]
    assert found(sql, *lints) == [
        ("destructive", "DROP TABLE a"),
        ("blocking", "CREATE INDEX ix ON b (c)"),
        ("destructive", "DROP TABLE d"),
    ]


def test_a_long_statement_is_cut():
    assert short("x" * 90) == "x" * 90
    assert short("x" * 91) == "x" * 89 + "…"


def test_sql_that_could_not_be_made_is_pending_and_loses():
    reviewed = unreadable("no such option: --sql")
    assert (reviewed.sql, reviewed.to, reviewed.pending, reviewed.loses) == (None, "", True, True)
    assert [str(f) for f in reviewed.findings] == [
        "cannot be reviewed: its SQL could not be made (no such option: --sql)"
    ]


# -- what alembic refuses -------------------------------------------------------------

UNKNOWN = "FAILED: Can't locate revision identified by '0003'"
HEADS = (
    "FAILED: Multiple head revisions are present for given argument 'head'; "
    "please specify a specific target revision"
)


def test_a_release_with_several_heads():
    refused = refusal(HEADS, "0002", Ledger(()), RELEASE, "prod")
    assert refused is not None
    assert refused.what == f"release {RELEASE} has several heads of its migrations"
    assert "`heads` for `head`" in refused.todo


def test_a_database_ahead_of_the_release(world):
    ahead = world.line(2, revision=Revision(before="0002", after="0003"))
    later = world.line(3, revision=Revision(before="0003", after="0003"))
    refused = refusal(UNKNOWN, "0003", world.ledger(world.line(1), ahead, later), RELEASE, "prod")
    assert refused is not None
    assert refused.what == (
        f"the database is ahead of release {RELEASE}: 0003 came with {ahead.release}"
    )
    assert "homeguru rollback" in refused.todo


def test_a_revision_that_nobody_knows(world):
    refused = refusal(UNKNOWN, "0003", world.ledger(world.line(1)), RELEASE, "prod")
    assert refused is not None
    assert refused.what == f"release {RELEASE} does not know the database's revision 0003"


def test_every_refusal_leaves_the_server_as_it_was():
    for said, revision in ((UNKNOWN, "0003"), (HEADS, "0002")):
        refused = refusal(said, revision, Ledger(()), RELEASE, "prod")
        assert refused is not None
        assert refused.state == "unchanged"


@pytest.mark.parametrize("said", ["", "Error: No such option '--sql'", "ModuleNotFoundError: src"])
def test_another_complaint_is_no_refusal(said):
    assert refusal(said, "0002", Ledger(()), RELEASE, "prod") is None
