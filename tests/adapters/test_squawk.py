"""squawk itself, on SQL as alembic prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.database.migration_review import BLOCKING, DESTRUCTIVE, review
from deployments.errors import HomeguruError
from infra.run import squawk

SQL = """\
BEGIN;

-- Running upgrade 0001 -> 0002

CREATE TABLE users (
    id BIGSERIAL NOT NULL, 
    name TEXT NOT NULL, 
    PRIMARY KEY (id)
);

CREATE INDEX ix_users_name ON users (name);

ALTER TABLE messages DROP COLUMN text;

CREATE INDEX ix_messages_note ON messages (note);

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

COMMIT;

"""  # noqa: W291


def rules(sql: str) -> list[tuple[int, str]]:
    """Line and rule of what the policy stops."""
    return [(f.line, f.rule) for f in squawk.lint(sql) if f.rule in DESTRUCTIVE | BLOCKING]


def upgrade(*texts: str) -> str:
    """One migration; its first statement stands on line 3."""
    return "BEGIN;\n\n" + "".join(f"{text};\n\n" for text in texts) + "COMMIT;\n"


def test_lines_are_counted_from_one_and_a_new_tables_index_blocks_nobody() -> None:
    """The index of line 11 is on a table that nobody uses yet; that of line 15 is not."""
    assert rules(SQL) == [(13, "ban-drop-column"), (15, "require-concurrent-index-creation")]


def test_its_findings_become_ours() -> None:
    reviewed = review(SQL, squawk.lint(SQL))
    assert [(f.kind, f.statement) for f in reviewed.findings] == [
        ("destructive", "ALTER TABLE messages DROP COLUMN text"),
        ("blocking", "CREATE INDEX ix_messages_note ON messages (note)"),
    ]
    assert reviewed.findings[0].why == "dropping a column may break existing clients"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DROP TABLE messages", "destructive"),
        ("ALTER TABLE messages RENAME text TO body", "destructive"),
        ("ALTER TABLE messages RENAME TO posts", "destructive"),
        ("ALTER TABLE messages ALTER COLUMN text TYPE VARCHAR(10)", "destructive"),
        ("TRUNCATE messages CASCADE", "destructive"),
        ("ALTER TABLE messages ADD COLUMN n BIGINT NOT NULL", "destructive"),
        ("ALTER TABLE messages ALTER COLUMN text SET NOT NULL", "destructive"),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "destructive"),
        ("ALTER VIEW newest RENAME TO latest", "destructive"),
        ("ALTER TABLE messages ADD FOREIGN KEY(a) REFERENCES users (id)", "blocking"),
        ("ALTER TABLE messages ADD CONSTRAINT u UNIQUE (text)", "blocking"),
        ("DROP INDEX ix", "blocking"),
        ("CREATE TABLE a (b", "unreadable"),
    ],
)
def test_each_kind_of_statement_is_known_to_it(statement: str, kind: str) -> None:
    """The policy goes by the names of squawk's rules: a renamed one would pass unseen."""
    sql = upgrade(statement)
    assert {f.kind for f in review(sql, squawk.lint(sql)).findings} == {kind}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages ADD COLUMN note TEXT",
        "ALTER TABLE messages ADD COLUMN n BIGINT DEFAULT 0 NOT NULL",
        "CREATE TABLE a (id BIGSERIAL NOT NULL, PRIMARY KEY (id))",
        "INSERT INTO messages (text) VALUES ('a;b')",
        "CREATE TABLE a (b TEXT);",
    ],
)
def test_additive_statements_pass(statement: str) -> None:
    sql = upgrade(statement)
    assert review(sql, squawk.lint(sql)).findings == ()


def test_no_sql_has_no_findings() -> None:
    assert squawk.lint("") == []


def test_settings_of_the_working_directory_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    monkeypatch.chdir(tmp_path)
    assert (13, "ban-drop-column") in rules(SQL)


def test_an_answer_that_is_none_is_an_error() -> None:
    with pytest.raises(HomeguruError, match="squawk cannot review the migration: "):
        squawk.lint(SQL, major="sixteen")


def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setattr(squawk, "PROGRAM", program)
    return program


def test_one_that_does_not_end_is_an_error_of_ours(tmp_path, monkeypatch) -> None:
    _program(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(squawk, "SECONDS", 0.3)
    with pytest.raises(HomeguruError, match=r"squawk did not review the migration within 0\.3 s"):
        squawk.lint("SELECT 1;")


def test_one_that_is_not_there_is_an_error_of_ours(tmp_path, monkeypatch) -> None:
    _program(tmp_path, monkeypatch, "true").unlink()
    with pytest.raises(HomeguruError, match="is not beside this program's Python") as caught:
        squawk.lint("SELECT 1;")
    assert caught.value.where == str(tmp_path / "squawk")


@pytest.mark.parametrize(("major", "said"), [("", "16.0"), ("17", "17.0")])
def test_it_reviews_for_the_version_that_runs(tmp_path, monkeypatch, major, said) -> None:
    _program(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/words; echo "[]"')
    assert squawk.lint("SELECT 1;", major) == []
    assert f"--pg-version {said} " in (tmp_path / "words").read_text()
