"""A database of Prefect's with its tables and without a row of anybody's, to begin a history with.

Prefect makes its tables in eight seconds, where a history is new: in each clone, on each runner of
GitHub. For the version that is locked, the tables lie beside this module (`make prefect-history` renews
them). For any other one the first server that has made them leaves a copy in this user's cache. A
copy that is of another version after all is brought up to date by the server itself.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

_REVISION = "SELECT version_num FROM alembic_version"
_OF_A_HISTORY = ("flow_run", "block_document", "configuration", "variable", "work_pool")
"""Tables that are empty in a template; `configuration` holds the key that encrypts secrets."""


def template() -> Path:
    """Where the template of this version of Prefect lies, if there is one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "homeguru" / f"prefect-{version('prefect')}.db"


def history() -> Path | None:
    """The database file of the embedded server; None where the settings name another database."""
    if os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL") or os.environ.get(
        "PREFECT_API_DATABASE_CONNECTION_URL"
    ):
        return None
    return Path(os.environ["PREFECT_HOME"]) / "prefect.db"


def packed() -> Path:
    """Where the tables of this version of Prefect lie, if they are part of this package."""
    return Path(__file__).with_name(f"prefect-{version('prefect')}.sql.xz")


def pack(source: Path, target: Path) -> None:
    """Write a database as compressed SQL. Raises ValueError where it has a row of anybody's."""
    if not _is_usable(source):
        raise ValueError(f"{source} is no database of Prefect's without a history")
    with closing(_read_only(source)) as database:
        target.write_bytes(lzma.compress("\n".join(database.iterdump()).encode()))


def unpack(source: Path, target: Path) -> None:
    """Make a database of compressed SQL."""
    with closing(sqlite3.connect(target)) as database:
        database.executescript(lzma.decompress(source.read_bytes()).decode())


def begin_history() -> bool:
    """Copy the template where there is no history yet; whether one began without it."""
    file = history()
    if file is None or file.exists():
        return False
    source = packed()
    make: Callable[[Path, Path], object] = unpack
    if not source.is_file():
        source, make = template(), shutil.copyfile
        if not _is_usable(source):
            return True
    file.parent.mkdir(parents=True, exist_ok=True)
    with _beside(file) as new:
        make(source, new)
        # Another command may have begun the same history: then its file stays.
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
    if source == packed():
        # Whole for this version: a test compares it with what the server makes.
        used()
    return False


def has_tables() -> bool:
    """Whether a server of this version of Prefect has used the history: its tables are as it wants them."""
    file = history()
    try:
        return file is not None and _user(file).read_text() == _state(file) != ""
    except OSError:
        return False


def used() -> None:
    """Remember that a server of this version of Prefect uses the history."""
    file = history()
    if file is not None and not has_tables():
        with contextlib.suppress(OSError):
            _user(file).write_text(_state(file))


def _user(file: Path) -> Path:
    return file.with_suffix(".version")


def _state(file: Path) -> str:
    """Prefect's version, and what the tables are at: an older copy in the file's place is at another."""
    try:
        with closing(_read_only(file)) as database:
            return f"{version('prefect')} {database.execute(_REVISION).fetchall()}"
    except sqlite3.Error:
        return ""


def keep_template() -> None:
    """Keep a copy of a history that just began. A cache that cannot be written costs time alone."""
    file = history()
    if file is None:
        return
    target = template()
    with contextlib.suppress(OSError, sqlite3.Error):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _beside(target) as new:
            with closing(_read_only(file)) as old, closing(sqlite3.connect(new)) as copy:
                old.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            if _is_usable(new):
                new.replace(target)


def _is_usable(file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        with closing(_read_only(file)) as database:
            migrated = database.execute(_REVISION).fetchall()
            rows = [
                database.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]
                for table in _OF_A_HISTORY
            ]
    except sqlite3.Error:
        return False
    return bool(migrated) and not any(rows)


def _read_only(file: Path) -> sqlite3.Connection:
    """One that is not there is an error, and is not made."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


@contextlib.contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A new file in the same folder, which only its owner may read; it goes at the end."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    os.close(handle)
    new = Path(name)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
