"""Prefect's server with its history in SQLite, without the minute that it may wait for itself.

`python -m infra.orchestration.sqlite_server server start` is `prefect server start`.

SQLAlchemy's driver leaves the cursor of a statement that failed to whoever drops it last: the thread of
the event loop. SQLite resets it there, and for that waits for whatever the cursor's connection does by
then. Where that is a wait for another connection's lock, which only the event loop can give back, both
wait until Prefect's busy timeout of 60 s ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

Execute = Callable[..., Awaitable[Any]]


def close_failed_cursors() -> None:
    """A cursor whose statement fails is closed at once, in the thread of its connection."""
    from aiosqlite import Cursor

    for name in ("execute", "executemany"):
        setattr(Cursor, name, _closing(getattr(Cursor, name)))


def _closing(execute: Execute) -> Execute:
    @wraps(execute)
    async def executed(cursor: Any, *words: Any) -> Any:
        try:
            return await execute(cursor, *words)
        except sqlite3.Error:
            await cursor.close()
            raise

    return executed


if __name__ == "__main__":
    from prefect.cli import app

    close_failed_cursors()
    app()
