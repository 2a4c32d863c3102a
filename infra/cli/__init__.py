"""The command line: `homeguru VERB --env NAME`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `homeguru`; its exit code is the outcome's."""
    from infra.orchestration import process

    process.configure()
    from infra.cli.app import app
    from infra.cli.outcome import run

    sys.exit(run(app))
