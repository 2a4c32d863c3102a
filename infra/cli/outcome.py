"""From an exception to one clear message and an exit code."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from deployments.errors import HomeguruError


def run(app: typer.Typer) -> int:
    """Run the application; 0 done, 1 failed, 2 wrong use, 3 refused or locked.

    Wrong options end in typer's own message and code 2.
    """
    try:
        app()
    except HomeguruError as error:
        _tell(error)
        return int(error.exit_code)
    return 0


def _tell(error: HomeguruError) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(as_dict(error), ensure_ascii=False) + "\n")
    sys.stderr.write(f"Error: {error}\n")


def as_dict(error: HomeguruError) -> dict[str, Any]:
    """The four parts of an error, for programs."""
    return {
        "error": error.what,
        "where": error.where,
        "server": error.state,
        "next": error.todo,
        "exit_code": int(error.exit_code),
    }
