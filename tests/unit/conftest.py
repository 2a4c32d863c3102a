"""Unit tests are pure: no process, no network, no waiting."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Any

import pytest

from tests.builders import compose_config, digest, make_environment, stack, toml, world

__all__ = ["compose_config", "digest", "make_environment", "stack", "toml", "world"]


@pytest.fixture(autouse=True)
def pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts a process, speaks with a network or waits belongs in `tests/adapters`."""

    def refused(name: str) -> Any:
        def refuse(*words: Any, **_: Any) -> None:
            if name != "sleep" or words != (0.0,):
                raise AssertionError(f"a unit test calls {name}")

        return refuse

    for where, name in (
        (subprocess, "Popen"), (socket, "getaddrinfo"), (socket.socket, "connect"), (time, "sleep"),
    ):  # fmt: skip
        monkeypatch.setattr(where, name, refused(name))
