"""The Docker worker with a broom and a reaper.

Ended flow containers are kept for an hour, then removed; runs that fell silent are ended.

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

from infra.control.reaper import Reaper
from infra.orchestration.api.client import PrefectApi

LABEL = "org.homeguru.control"
KEPT, EVERY = "1h", 600.0
LOOK_EVERY = 15.0


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


def _reap_for_ever(url: str) -> None:
    reaper = Reaper(PrefectApi(url, patience=5))
    while True:
        time.sleep(LOOK_EVERY)
        try:
            for run in reaper.look():
                logging.getLogger(__name__).warning("run %s fell silent: crashed", run)
        except Exception as error:
            # The server may be restarting; what was silent meanwhile is given time again.
            logging.getLogger(__name__).warning("silent runs are not looked for: %s", error)


if __name__ == "__main__":
    from runpy import run_module

    chosen = os.environ["CONTROL_PROJECT"]
    threading.Thread(target=_sweep_for_ever, args=(chosen,), daemon=True).start()
    server = os.environ["PREFECT_API_URL"]
    threading.Thread(target=_reap_for_ever, args=(server,), daemon=True).start()
    sys.argv = ["prefect", "worker", "start", *sys.argv[1:]]
    run_module("prefect", run_name="__main__", alter_sys=True)
