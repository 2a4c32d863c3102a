"""What squawk says of a migration's SQL. Source: `squawk --reporter json`, 2.70."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from deployments.database.migration_review import Lint
from deployments.errors import HomeguruError, WrongUse
from infra.machine import processes

PROGRAM = Path(sys.executable).with_name("squawk")


SECONDS = 60
"""It reads 8 MB, the most that is read, in a few."""
OLDEST = "16"
"""PostgreSQL's major version, where a database has not said its own."""


def lint(sql: str, major: str = "") -> list[Lint]:
    """Every finding, first line first. major: PostgreSQL's, such as `16`; empty for an unknown one.

    Raises HomeguruError where squawk is not there, does not end, or says nothing that can be read.
    """
    words = [str(PROGRAM), "--reporter", "json", "--pg-version", f"{major or OLDEST}.0"]
    # Its own file of settings, where somebody has one, is not ours.
    words += ["--stdin-filepath", "migration.sql", "--config", os.devnull]
    # A comment may silence a rule there; whether it may run is not the migration's to say.
    sql = sql.replace("squawk-ignore", "squawk ignore")
    try:
        completed = processes.run(*words, stdin=sql, timeout=SECONDS)
    except WrongUse:
        raise HomeguruError(
            "squawk, which reviews migrations, is not beside this program's Python",
            where=str(PROGRAM), todo="install homeguru-deploy anew: it brings squawk-cli",
        ) from None  # fmt: skip
    except processes.TimedOut:
        raise HomeguruError(
            f"squawk did not review the migration within {SECONDS} s",
            todo="run the same command again; if it fails again, report it as a defect",
        ) from None
    try:
        findings = json.loads(completed.stdout)
    except ValueError:
        raise HomeguruError(
            f"squawk cannot review the migration: {completed.stderr[-300:]}",
            todo="run the same command again; if it fails again, report it as a defect",
        ) from None
    return [Lint(f["rule_name"], f["line"] + 1, f["message"]) for f in findings]
