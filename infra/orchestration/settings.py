"""Prefect's settings for a process of ours."""

from __future__ import annotations

import logging
import os

from infra.machine.paths import state_dir
from infra.orchestration.liveness import HEARTBEAT


def configure() -> None:
    """Settings before Prefect is imported: a home of our own, never a person's profile.

    `PREFECT_API_URL` of the environment chooses a server; without it Prefect's embedded
    one is used, with its history in our state folder. An empty variable, as GitHub hands
    over one that is not set, counts as none: Prefect takes it for the name of a server.
    """
    for name in [n for n, value in os.environ.items() if n.startswith("PREFECT_") and not value]:
        del os.environ[name]
    home = state_dir() / "prefect"
    os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_PROFILES_PATH"] = str(home / "profiles.toml")
    os.environ.pop("PREFECT_PROFILE", None)
    defaults = {
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # The server's automation ends runs that fall silent; Prefect's own 180 s are too rare for it.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        # The terminal shows our own progress; the whole log is in Prefect's history.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    }
    # Else Prefect writes to the terminal about log lines that did not reach its server.
    logging.raiseExceptions = False
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
