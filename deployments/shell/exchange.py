"""The way back: a backup, or a copy of before, takes the database's place.

A restore goes into a database of its own, which then takes the other one's name in one
transaction; the other one is set aside under the run's name until the run is recorded.
`HOMEGURU_RUN` is the run at work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from deployments.shell.postgres import On
from deployments.shell.quote import Script, call, functions, join


def restore(
    on: On, name: str, sha256: str, revision: str, timeout: int,
    extensions: Mapping[str, str] | None = None,
) -> Script:  # fmt: skip
    """Put a backup in the database's place; the one before is set aside for this run.

    revision: the backup's, empty for none; its result, for the ledger. extensions: to their
    owners, where the backup knows them.
    """
    line = call("restore_backup", name, sha256, revision, _owners(extensions))
    return _restoring(on, line, timeout)


def drill(
    on: On, name: str, sha256: str, timeout: int, extensions: Mapping[str, str] | None = None
) -> Script:
    """Restore a backup into a database of its own, which is dropped again."""
    return _restoring(on, call("drill_backup", name, sha256, _owners(extensions)), timeout)


def _owners(extensions: Mapping[str, str] | None) -> str:
    return json.dumps(dict(extensions), sort_keys=True) if extensions else ""


def copy_aside(on: On, timeout: int) -> Script:
    """Copy the database under this run's name; `bring_back` makes that copy the database."""
    return _restoring(on, "copy_database_aside", timeout)


def bring_back(on: On, run: str) -> Script:
    """Undo of a restore by `run`: the database that it set aside takes its name again."""
    return _restoring(on, call("bring_database_back", run), 120)


def _restoring(on: On, line: str, timeout: int) -> Script:
    return Script(join(*on.functions(), functions("exchange"), line), timeout=timeout)
