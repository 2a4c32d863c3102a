"""The database that a new history begins with: a copy of one without a row of anybody's."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from infra.orchestration.flow import database_template, embedded
from infra.orchestration.flow.database_template import (
    begin_history,
    has_tables,
    keep_template,
    pack,
    template,
    used,
)

TABLES = ("flow_run", "block_document", "configuration", "variable", "work_pool")


def database(file: Path, *statements: str) -> None:
    """A database with Prefect's tables, as far as they are looked at."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as made, made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES ('head')")
        for table in TABLES:
            made.execute(f"CREATE TABLE {table} (value TEXT)")
        for statement in statements:
            made.execute(statement)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(database_template, "packed", lambda: tmp_path / "packed.sql.xz")
    for name in ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def test_the_first_history_leaves_a_template_and_the_next_begins_with_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert begin_history()
    database(home / "prefect.db")
    keep_template()
    assert template().stat().st_mode & 0o777 == 0o600
    assert [f.name for f in template().parent.iterdir()] == [template().name]

    assert not begin_history(), "it is there"
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "another"))
    assert not begin_history()
    with closing(sqlite3.connect(tmp_path / "another/prefect.db")) as copied:
        assert copied.execute("SELECT version_num FROM alembic_version").fetchall() == [("head",)]
    assert [f.name for f in (tmp_path / "another").iterdir()] == ["prefect.db"]


def test_the_one_of_the_package_needs_no_first_history(home: Path, tmp_path: Path) -> None:
    database(tmp_path / "made.db")
    pack(tmp_path / "made.db", tmp_path / "packed.sql.xz")
    assert not begin_history()
    with closing(sqlite3.connect(home / "prefect.db")) as made:
        assert made.execute("SELECT version_num FROM alembic_version").fetchall() == [("head",)]
    assert not template().exists()
    assert has_tables(), "its server has nothing to compare at its first start"


def test_one_with_a_row_of_somebody_is_not_packed(home: Path, tmp_path: Path) -> None:
    database(tmp_path / "made.db", "INSERT INTO variable VALUES ('x')")
    with pytest.raises(ValueError, match="no database of Prefect's without a history"):
        pack(tmp_path / "made.db", tmp_path / "packed.sql.xz")


@pytest.mark.parametrize("table", TABLES)
def test_nothing_of_a_history_becomes_a_template(home: Path, table: str) -> None:
    """A run, a secret, or the key that encrypts secrets."""
    database(home / "prefect.db", f"INSERT INTO {table} VALUES ('x')")
    keep_template()
    assert not template().exists()
    assert not list(template().parent.iterdir())


@pytest.mark.parametrize("content", [b"", b"cut off", b"SQLite format 3\0" + b"\0" * 84])
def test_a_damaged_template_is_not_used(home: Path, content: bytes) -> None:
    template().parent.mkdir(parents=True)
    template().write_bytes(content)
    assert begin_history()
    assert not home.exists()


def test_another_database_is_left_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://x/y")
    database(template())
    assert not begin_history()
    keep_template()
    assert not home.exists()


def test_a_cache_that_cannot_be_written_ends_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    database(home / "prefect.db")
    keep_template()
    assert not database_template.template().exists()


def test_tables_are_compared_once_for_each_version_of_prefect(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not has_tables()
    database(home / "prefect.db")
    assert not has_tables()
    used()
    assert has_tables()
    monkeypatch.setattr(database_template, "version", lambda _: "another")
    assert not has_tables()


def test_an_older_history_that_a_person_put_back_is_compared_again(home: Path) -> None:
    database(home / "prefect.db")
    used()
    database(home / "older.db", "UPDATE alembic_version SET version_num = 'before'")
    shutil.copyfile(home / "older.db", home / "prefect.db")
    assert not has_tables()
    (home / "prefect.db").unlink()
    assert not has_tables()


@pytest.mark.parametrize("used_before", [False, True])
def test_a_server_registers_only_where_its_version_has_not_done_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, used_before: bool
) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(embedded, "start", lambda _, env, **__: seen.append(env))
    monkeypatch.setattr(embedded, "state_dir", lambda: tmp_path)
    database(home / "prefect.db")
    if used_before:
        used()
    embedded.serve(1)
    names = [n for n in seen[0] if n.startswith("PREFECT_SERVER_") and seen[0][n] == "0"]
    assert len(names) == (3 if used_before else 0)
