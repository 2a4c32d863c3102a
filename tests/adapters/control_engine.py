"""An engine that carries a control plane, as far as its callers see: what was asked of it, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from types import SimpleNamespace
from typing import Any

import pytest

from infra.control import plane as planes
from infra.control.docker import Docker
from infra.control.plane import ControlPlane
from infra.control.settings import Settings, State

SERVICES = ("postgres", "server", "worker-docker", "worker", "guard", "gateway")


class Engine(Docker):
    """`answers`: part of a command to what it prints, or to what it raises; the last that fits counts."""

    def __init__(self, state: State, settings: Settings) -> None:
        self.said: list[str] = []
        super().__init__(state, settings, self.said.append)
        self.calls: list[str] = []
        self.timeouts: dict[str, float] = {}
        self.answers: dict[str, Any] = {
            "ps -a --no-trunc": "\n".join(f"{name} {name}-id False" for name in SERVICES),
            "inspect --format {{.Config.Image}}": "homeguru-flows:1",
            "inspect --format {{.State.Running}}": "true",
            "infra.control.register": '{"changed": 0}', "root.crt": "certificate",
            "import version": "1.0 3.8.8", "st_gid": "999", "psql": "1",
        }  # fmt: skip

    def _answer(self, args: tuple[str, ...], timeout: float) -> str:
        call = " ".join(args)
        self.calls.append(call)
        self.timeouts[call] = timeout
        fitting = [answer for sign, answer in self.answers.items() if sign in call]
        answer = fitting[-1] if fitting else ""
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    def run(self, *args: str, data: bytes | None = None, timeout: float = 120) -> bytes:
        return self._answer(args, timeout).encode()

    def long(self, label: str, *args: str, timeout: float = 900) -> str:
        return self._answer(args, timeout)

    @contextmanager
    def stream(self, label: str, *args: str, stdin: int = PIPE) -> Iterator[Popen[bytes]]:
        self._answer(args, 0)
        with Popen(["cat"], stdin=PIPE, stdout=-3) as process:
            yield process

    def at(self, sign: str) -> int:
        """Where the first call with this is."""
        return next(n for n, call in enumerate(self.calls) if sign in call)

    def had(self, sign: str) -> bool:
        return any(sign in call for call in self.calls)


def plane_on(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[ControlPlane, Engine]:
    """A control plane that was put up with this image; a chosen image is one that is there."""
    monkeypatch.setattr("infra.control.accounts._COST", 4)
    for module in ("plane", "upkeep"):
        monkeypatch.setattr(f"infra.control.{module}.ensure_image", lambda _, image: image)
    monkeypatch.setattr(planes.ControlPlane, "ask", lambda *_: SimpleNamespace(is_success=True))
    plane = ControlPlane(state, settings, print)
    engine = Engine(state, settings)
    plane.docker, plane.say = engine, engine.said.append
    return plane, engine
