"""A database at several heads of its migrations. The SQL stands as alembic 1.20 prints it."""

from __future__ import annotations

import base64
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from deployments.database.migration_review import refusal, statements
from deployments.errors import Refused
from deployments.history.ledger import Ledger, Revision
from deployments.history.revisions import heads_of, leads_to, parse_revisions, pending_of_all
from infra.machine.output import Mask
from infra.run import migration_sql
from infra.run.migration_review import MigrationReview

TABLE = "CREATE TABLE t_{0} (\n    id SERIAL NOT NULL, \n    PRIMARY KEY (id)\n);\n\n"


def _section(before: str, name: str, *, table: bool = True, book: str = "") -> str:
    return (
        f"-- Running upgrade {before} -> {name}\n\n{TABLE.format(name) if table else ''}{book}\n\n"
    )


def _sql(*parts: str) -> str:
    return f"BEGIN;\n\n{''.join(parts)}COMMIT;\n\n"


def _insert(name: str) -> str:
    return f"INSERT INTO alembic_version (version_num) VALUES ('{name}') RETURNING alembic_version.version_num;"


def _update(before: str, to: str) -> str:
    return f"UPDATE alembic_version SET version_num='{to}' WHERE alembic_version.version_num = '{before}';"


MERGE = _section(
    "a2, b2", "m3", table=False,
    book="DELETE FROM alembic_version WHERE alembic_version.version_num = 'a2';\n\n" + _update("b2", "m3"),
)  # fmt: skip
C4 = _section("m3", "c4", book=_update("m3", "c4"))
FROM_A2 = _sql(_section("a1", "b2", book=_insert("b2")), MERGE, C4)
FROM_B2 = _sql(_section("a1", "a2", book=_insert("a2")), MERGE, C4)


def test_what_lies_on_the_other_branch_was_run_already():
    sql = pending_of_all([FROM_A2, FROM_B2])
    assert sql == _sql(MERGE, C4)
    assert statements(sql) == ["CREATE TABLE t_c4 ( id SERIAL NOT NULL, PRIMARY KEY (id) )"]
    assert leads_to("a2,b2", sql) == "c4"


def test_nothing_is_pending_at_the_heads_of_the_release():
    found = pending_of_all([_sql(_section("a1", "b2")), _sql(_section("a1", "a2"))])
    assert found is not None and statements(found) == []
    assert found.count("COMMIT;") == 1
    assert leads_to("a2,b2", found) == ""


def test_a_transaction_for_each_revision_stays_one():
    frame = "COMMIT;\n\nBEGIN;\n\n"
    from_a2 = f"BEGIN;\n\n{_section('a1', 'b2')}{frame}{_section('a2', 'a3')}COMMIT;\n\n"
    from_b2 = f"BEGIN;\n\n{_section('a1', 'a2')}{frame}{_section('a2', 'a3')}COMMIT;\n\n"
    found = pending_of_all([from_a2, from_b2])
    assert found == f"BEGIN;\n\n{_section('a2', 'a3')}COMMIT;\n\n"
    reverse = pending_of_all([from_a2.replace("a3", "b2x"), from_b2])
    assert reverse is not None and statements(reverse) == []


@pytest.mark.parametrize(
    "odd", ["DROP TABLE users;\n", f"DROP TABLE x;\n{FROM_B2}", "importing...\n"]
)
def test_what_belongs_to_no_revision_is_not_passed_over(odd):
    assert pending_of_all([FROM_A2, odd]) is None


@pytest.mark.parametrize(
    ("since", "sql", "to"),
    [
        ("a1", _update("a1", "a2") + "\n" + _insert("b2"), "a2,b2"),
        (None, _insert("a1"), "a1"),
        ("a1", 'INSERT INTO "alembic_version" (version_num) VALUES (\'b1\')', "a1,b1"),
        ("a2,b2", MERGE, "m3"), ("a1", "CREATE TABLE x (id int);", ""),
    ],
)  # fmt: skip
def test_where_a_migration_leads(since, sql, to):
    assert leads_to(since, sql) == to


def test_the_same_heads_are_the_same_revision_in_whatever_order():
    assert parse_revisions(["b2", "a2", ""]) == parse_revisions(["a2", "b2"]) == "a2,b2"
    assert Revision(before="b2,a2", after=None) == Revision(before="a2,b2", after=None)
    assert (heads_of("a2,b2"), heads_of(None)) == (("a2", "b2"), ())


def test_the_release_that_made_one_of_the_heads_is_named(world):
    ledger = world.ledger(world.line(2, revision=Revision(before="a1", after="a2,b2")))
    refused = refusal("FAILED: Can't locate revision identified by 'b2'", "b2", ledger, "x", "prod")
    assert refused is not None and "b2 came with 2-prod-" in refused.what
    unknown = refusal(
        "FAILED: Can't locate revision identified by 'b2'", "b2", Ledger(()), "x", "prod"
    )
    assert unknown is not None and "does not know" in unknown.what


# -- reviewed from each of them ------------------------------------------------------------


@pytest.fixture
def asked(world, monkeypatch):
    """A review whose image prints FROM_A2 and FROM_B2; the commands that it was asked."""
    commands: list[tuple[str, ...]] = []

    def print_sql(_incoming, words):
        commands.append(words)
        return SimpleNamespace(text="", timeout=1)

    def read(*_):
        sql = base64.b64encode(answers[commands[-1][2]].encode()).decode()
        return f"sql {sql}\ncode {base64.b64encode(b'0').decode()}\n"

    answers = {"a2:head": FROM_A2, "b2:head": FROM_B2}
    monkeypatch.setattr(migration_sql.database, "print_sql", print_sql)
    monkeypatch.setattr(migration_sql.squawk, "lint", lambda _, major: [])
    host = SimpleNamespace(
        environment=world.environment,
        incoming="i",
        tunnel=lambda *_: nullcontext(),
        mask=Mask(),
        read=read,
    )
    return MigrationReview(host, None), commands


def test_a_merge_of_two_heads_is_reviewed(world, asked):
    reviewer, commands = asked
    seen = world.settled(revision="a2,b2", database_bytes=7)
    change = reviewer.forward(world.target(api="api-2"), seen)
    assert [words[2] for words in commands] == ["a2:head", "b2:head"]
    assert change.migration is not None
    assert (change.migration.to, change.asks) == ("c4", ())
    reasons = {s.name: s.reason for s in world.plan(world.target(api="api-2"), seen).steps}
    assert reasons["migrate"].startswith("from a2,b2")


def test_a_downgrade_to_or_from_several_is_refused_or_asked_for(world, asked):
    reviewer, _ = asked
    seen = world.settled(revision="c4")
    line = world.line(1, revision=Revision(before=None, after="a2,b2"))
    with pytest.raises(Refused, match="that release is at several: a2,b2"):
        reviewer.back(world.target(), line, seen, "downgrade")
    line = world.line(1, revision=Revision(before=None, after="a1"))
    change = reviewer.back(world.target(), line, world.settled(revision="a2,b2"), "downgrade")
    assert "several revisions, a2,b2" in change.asks[0]
