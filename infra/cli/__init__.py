"""The command line: `homeguru VERB --env NAME`.

Here belongs what people type and what is printed for them, and in `actions` what the workflows'
steps call. What a verb does belongs below.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `homeguru`; its exit code is the outcome's."""
    from infra.cli.outcome import run

    sys.exit(run(_start))


def _start() -> None:
    from infra.machine.imports import importing
    from infra.orchestration import settings

    # Before the first import of Prefect, which reads its settings then.
    settings.configure()
    with importing():
        from infra.cli.app import app
        from infra.cli.help import finished

    finished(app)(prog_name="homeguru")
