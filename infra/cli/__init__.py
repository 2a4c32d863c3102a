"""The command line: `homeguru VERB --env NAME`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `homeguru`; its exit code is the outcome's."""
    from infra import prefect_api

    prefect_api.configure()
    from infra.cli.app import app
    from infra.cli.outcome import run

    sys.exit(run(app))
