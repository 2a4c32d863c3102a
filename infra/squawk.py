"""What squawk says of a migration's SQL. Source: `squawk --reporter json`, 2.70."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from deployments.errors import HomeguruError
from deployments.migration import Lint

PROGRAM = Path(sys.executable).with_name("squawk")


def lint(sql: str, major: str = "16") -> list[Lint]:
    """Every finding, first line first. major: PostgreSQL's, such as `16`."""
    words = [str(PROGRAM), "--reporter", "json", "--pg-version", f"{major}.0"]
    # Its own file of settings, where somebody has one, is not ours.
    words += ["--stdin-filepath", "migration.sql", "--config", os.devnull]
    # A comment may silence a rule there; whether it may run is not the migration's to say.
    sql = sql.replace("squawk-ignore", "squawk ignore")
    done = subprocess.run(words, input=sql, text=True, capture_output=True, timeout=60, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise HomeguruError(
            f"squawk cannot judge the migration: {done.stderr[-300:]}",
            todo="run the same command again; if it fails again, report it as a defect",
        ) from None
    return [Lint(f["rule_name"], f["line"] + 1, f["message"]) for f in found]
