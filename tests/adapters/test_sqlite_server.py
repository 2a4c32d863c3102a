"""A statement that fails in SQLite, and its connection's next wait: the event loop goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Two connections, as Prefect's server has them. `waiting` cannot write, since the other one wrote after it
# read; then it waits for the other one's lock, which is given back when the failed cursor is gone.
PROGRAM = """
import asyncio, gc, sys, time
import aiosqlite
from infra.orchestration.sqlite_server import close_failed_cursors

async def main(file):
    writing = await aiosqlite.connect(file, isolation_level=None)
    waiting = await aiosqlite.connect(file, isolation_level=None)
    await writing.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
    await waiting.execute("PRAGMA busy_timeout = 3000")
    await waiting.execute("BEGIN DEFERRED")
    await (await waiting.execute("SELECT * FROM t")).fetchall()
    await writing.execute("INSERT INTO t VALUES (1)")
    failed = await waiting.cursor()
    try:
        await failed.execute("INSERT INTO t VALUES (:x)", {"x": 2})
    except Exception as error:
        print(error)
    await waiting.rollback()
    await writing.execute("BEGIN IMMEDIATE")
    waits = asyncio.create_task(waiting.execute("BEGIN IMMEDIATE"))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    del failed
    gc.collect()
    blocked = time.monotonic() - began
    await writing.commit()
    try:
        await waits
        print("it goes on")
    except Exception as error:
        print(error)
    print("blocked" if blocked > 1 else "not blocked")
    await waiting.close()
    await writing.close()

if sys.argv[2] == "ours":
    close_failed_cursors()
asyncio.run(main(sys.argv[1]))
"""


def said(tmp_path: Path, whose: str) -> list[str]:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "history.db"), whose]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_failed_statement_does_not_stop_the_event_loop(tmp_path: Path) -> None:
    assert said(tmp_path, "ours") == ["database is locked", "it goes on", "not blocked"]


def test_the_driver_alone_stops_it(tmp_path: Path) -> None:
    """When this fails, the driver is mended: infra/orchestration/sqlite_server.py may go."""
    assert said(tmp_path, "theirs") == ["database is locked", "database is locked", "blocked"]
