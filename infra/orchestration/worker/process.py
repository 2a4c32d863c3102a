"""Prefect's process worker, whose runs are forked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from infra.orchestration.worker import fork_client


def use(socket: Path) -> None:
    """Let `prefect worker start --type process` of this process be ours. socket: the fork server's.

    A command that the pool or the deployment configures is executed as it stands.
    """
    # Without what `site` does, which the client has no use for, it starts in a hundredth of a second.
    words = [sys.executable, "-I", "-S", fork_client.__file__, str(socket)]

    class Forked(ProcessJobConfiguration):
        def prepare_for_flow_run(self, *args: Any, **more: Any) -> None:
            self.command = self.command or command_to_string(words)
            super().prepare_for_flow_run(*args, **more)

    ProcessWorker.job_configuration = Forked
