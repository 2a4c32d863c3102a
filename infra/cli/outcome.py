"""From an exception to one clear message and an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable

from deployments.errors import HomeguruError, Interrupted, as_dict
from infra.machine import signals
from infra.machine.sinks import clean, cleaned


def run(start: Callable[[], None]) -> int:
    """Run the command line; 0 done, 1 failed, 2 wrong use, 3 refused or locked.

    Wrong options end in typer's own message and code 2.
    """
    signals.install(_leave)
    try:
        start()
    except HomeguruError as error:
        return _ended(error)
    except Exception:
        # A library that was interrupted may have made an error of its own of it.
        if not (stopped := signals.interrupted()):
            # A defect: Python itself would print the text of every error as it is.
            sys.stderr.write(clean(traceback.format_exc()))
            return 1
        return _ended(stopped)
    return 0


def _ended(error: HomeguruError) -> int:
    # The outcome is known: a further press must not take its exit code away.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tell(error, _red("Error:"))
    return int(error.exit_code)


def _leave(stopped: Interrupted) -> None:
    """End at once: nothing was begun, so nothing has to be undone or closed."""
    _tell(stopped)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(stopped.exit_code))


def _red(text: str) -> str:
    """Red where standard error is a terminal that shows colours, and `NO_COLOR` is not set."""
    from infra.cli.layout import errors

    with errors.capture() as written:
        errors.print(f"[bold red]{text}[/bold red]", end="")
    return written.get()


def _tell(error: HomeguruError, heading: str = "Error:") -> None:
    """heading: without a colour in a signal's handler, where nothing may be imported."""
    error = cleaned(error)
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(as_dict(error), ensure_ascii=False) + "\n")
    sys.stderr.write(f"{heading} {error}\n")
