"""Prefect's embedded server, in a session of its own: a terminal's Ctrl-C is not for it.

It ends with the process that started it, however that ended: its standard input is a pipe
which closes then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from subprocess import PIPE, Popen

from infra.machine.paths import state_dir
from infra.machine.processes import start

GRACE = 5.0
"""Seconds that it has for an orderly end."""


def serve(port: int) -> Popen[bytes]:
    """Start it, as Prefect's own client would otherwise; what it says goes to a file."""
    from prefect.settings import get_current_settings

    environment = {
        **os.environ,
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        **get_current_settings().to_environment_variables(exclude_unset=True),
    }
    with (state_dir() / "prefect-embedded.log").open("ab") as log:
        # -P: the folder that the person stands in is not searched for modules.
        command = [sys.executable, "-P", "-m", "infra.orchestration.flow.embedded", str(port)]
        return start(command, stdin=PIPE, stdout=log, stderr=log, env=environment)


def main(port: int) -> None:
    """Serve until the starter is gone."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port,
        log_level="error", lifespan="on",
    )  # fmt: skip


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
