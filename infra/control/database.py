"""Prefect's database, and the exchange of it for one that was restored."""

from __future__ import annotations

from pathlib import Path

from infra.backups import age
from infra.control import backup
from infra.control.docker import Docker

BEFORE, RESTORED, HALF = "prefect_before", "prefect_restored", "prefect_half"
MARK = "restored, and its server has not started well yet"
"""Comment of a restored database: in the database, since there it comes and goes with the names."""
_ORIGINAL = (
    "SELECT count(*) FROM pg_database WHERE datname = 'prefect' "
    f"AND shobj_description(oid, 'pg_database') IS DISTINCT FROM '{MARK}'"
)


class PlaneDatabase:
    """The databases in this container of PostgreSQL."""

    def __init__(self, docker: Docker, postgres: str) -> None:
        self._docker, self._postgres = docker, postgres

    def load(self, file: Path, key: age.Key) -> str:
        """Restore beside what is there, then change the names; returns where the one before is.

        A failure leaves the old one. When the restore before this one failed late, what it brought is
        replaced, and not the database that it had put aside.
        """
        self._sql(f"DROP DATABASE IF EXISTS {RESTORED}")
        self._sql(f"CREATE DATABASE {RESTORED}")
        words = ("pg_restore", "-U", "prefect", "-d", RESTORED, "--no-owner", "--exit-on-error")
        command = ("exec", "-i", self._postgres, *words)
        with backup.opened(self._docker, "restoring the database", file, key, *command):
            pass
        aside = BEFORE if self._sql(_ORIGINAL) == "1" else HALF
        self._sql(f"DROP DATABASE IF EXISTS {aside}")
        self._sql(
            f"BEGIN; ALTER DATABASE prefect RENAME TO {aside}; "
            f"ALTER DATABASE {RESTORED} RENAME TO prefect; "
            f"COMMENT ON DATABASE prefect IS '{MARK}'; COMMIT"
        )
        self._sql(f"DROP DATABASE IF EXISTS {HALF}")
        return BEFORE

    def keep(self) -> None:
        """The server runs with it: the next restore puts this one aside."""
        self._sql("COMMENT ON DATABASE prefect IS NULL")

    def _sql(self, text: str) -> str:
        words = ("psql", "-q", "-At", "-U", "prefect", "-d", "postgres", "-c", text)
        return self._docker.text("exec", self._postgres, *words)
