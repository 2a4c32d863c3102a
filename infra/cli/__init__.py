"""The command line: `homeguru VERB --env NAME`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `homeguru`; its exit code is the outcome's."""
    from infra.cli.outcome import run

    sys.exit(run(_start))


def _start() -> None:
    from infra.orchestration import process

    # Before the first import of Prefect, which reads its settings then.
    process.configure()
    from infra.cli.app import app

    app()
