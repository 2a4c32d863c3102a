"""The empty run history that the package holds is what this version of Prefect makes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from infra.orchestration.flow.database_template import pack, packed, unpack
from tests.harness.test_without_server import without_server

pytestmark = pytest.mark.harness
RUN = """
from pathlib import Path
from infra.orchestration import settings
settings.configure()
from infra.orchestration.flow import database_template, embedded
database_template.packed = lambda: Path("/nowhere")
with embedded.embedded_server():
    print(database_template.template())
"""


def in_order(sql: str) -> str:
    """Migrations write a table's constraints in any order."""
    return "\n".join(sorted(line.strip().rstrip(",") for line in sql.splitlines()))


def content(file: Path) -> tuple[set[str], list[str], list[str]]:
    """Tables and indexes, the revision, and what is registered; ids and times differ."""
    with closing(sqlite3.connect(file)) as database:

        def column(query: str) -> list[str]:
            return sorted(row[0] for row in database.execute(query))

        return (
            {
                in_order(sql)
                for sql in column("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            },
            column("SELECT version_num FROM alembic_version"),
            column("SELECT name FROM block_type") + column("SELECT checksum FROM block_schema"),
        )


def test_it_is_what_this_version_of_prefect_makes(tmp_path: Path) -> None:
    ended = without_server(tmp_path, "-c", RUN, XDG_CACHE_HOME=str(tmp_path / "cache"))
    made = Path(ended.stdout.strip())
    assert made.is_file(), ended.stderr
    if os.environ.get("RENEW"):
        pack(made, packed())
    assert packed().is_file(), "make prefect-history"
    unpack(packed(), tmp_path / "unpacked.db")
    assert content(tmp_path / "unpacked.db") == content(made)
