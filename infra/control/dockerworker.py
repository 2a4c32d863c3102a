"""The Docker worker with a broom: ended flow containers are kept for an hour, then removed.

The worker itself could remove each at its end, but then it no longer sees how a container
ended, and the run of a killed one would stay Running.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

from docker.client import DockerClient

LABEL = "org.homeguru.control"
KEPT, EVERY = "1h", 600.0


def sweep(project: str) -> int:
    """Remove the ended flow containers of this control plane; returns how many."""
    client = DockerClient.from_env()
    try:
        filters = {"label": [f"{LABEL}={project}"], "until": KEPT}
        return len(client.containers.prune(filters=filters).get("ContainersDeleted") or [])
    finally:
        client.close()


def _sweep_for_ever(project: str) -> None:
    while True:
        time.sleep(EVERY)
        try:
            sweep(project)
        except Exception as error:
            # The engine may be restarting; the next round tries again.
            logging.getLogger(__name__).warning("ended flow containers stay: %s", error)


if __name__ == "__main__":
    from runpy import run_module

    chosen = os.environ["CONTROL_PROJECT"]
    threading.Thread(target=_sweep_for_ever, args=(chosen,), daemon=True).start()
    sys.argv = ["prefect", "worker", "start", *sys.argv[1:]]
    run_module("prefect", run_name="__main__", alter_sys=True)
