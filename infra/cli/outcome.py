"""From an exception to one clear message and an exit code."""

from __future__ import annotations

import json
import sys

import typer

from deployments.errors import HomeguruError, as_dict


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
