"""From an exception to one clear message and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from deployments.errors import HomeguruError, as_dict


def run(start: Callable[[], None]) -> int:
    """Run the command line; 0 done, 1 failed, 2 wrong use, 3 refused or locked.

    Wrong options end in typer's own message and code 2.
    """
    try:
        start()
    except HomeguruError as error:
        _tell(error)
        return int(error.exit_code)
    return 0


def _tell(error: HomeguruError) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(as_dict(error), ensure_ascii=False) + "\n")
    sys.stderr.write(f"Error: {error}\n")
