"""`python -m infra.orchestration.worker --pool homeguru` is `prefect worker start --type process`.

Prefect's own worker starts each run in a process that starts a process: both import Prefect, and the
second one the flow, with 4 s of processor time in all. This one forks them off a process that has.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from infra.orchestration.worker.fork_server import beside


def start(words: list[str]) -> None:
    """Prefect's command line in this process, with a fork server beside it until it ends."""
    # 0700; the fork server removes it when it ends, which it does after this process.
    socket = Path(tempfile.mkdtemp(prefix="homeguru-worker-")) / "fork-server"
    with beside(socket):
        from infra.orchestration.worker.process import use

        use(socket)
        from prefect.cli import app

        sys.argv = ["prefect", "worker", "start", "--type", "process", *words]
        app()


if __name__ == "__main__":
    start(sys.argv[1:])
