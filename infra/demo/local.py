"""The demo: a production server, a registry and Prefect on this machine, and a release."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from infra.demo.prefect_server import LocalPrefect
from infra.engine.daemon import ensure_engine, stop_engine
from infra.engine.images import ALL, ensure_images
from infra.host import actor
from infra.machine import progress
from infra.orchestration.flow.process import run_flow
from infra.sandbox.environment import write_environment
from infra.sandbox.sandbox import Sandbox, SandboxInfo

T = TypeVar("T")
Say = Callable[[str], None]
PROJECT = "homeguru-demo"


@dataclass
class Demo:
    """One demo on this machine; `state` keeps everything that it must remember."""

    state: Path
    say: Say
    watch: progress.Progress
    phases: list[tuple[str, float]] = field(default_factory=list)

    def up(self, source: Path) -> dict[str, Any]:
        """Bring everything up and release `source`; converges when run again."""
        self._phase("engine", lambda: ensure_engine(self.say, self.state / "engine"))
        self._phase("images", lambda: ensure_images(ALL, self.say))
        info = self._phase("sandbox", self._sandbox)
        ui = self._phase("prefect", self._prefect)
        result = self._release(source)
        result["telegram"] = info.telegram_control_url
        result["environments"] = str(self.state / "environments")
        return {"ui": ui, "phases": self.phases, **result}

    def down(self) -> None:
        """Stop and remove everything that `up` made; the engine only when it is ours."""
        LocalPrefect(self.state, self.say).down()
        Sandbox(PROJECT, self.state / "sandbox", self.say).down()
        stop_engine(self.say, self.state / "engine")

    def _phase(self, name: str, work: Callable[[], T]) -> T:
        begin = time.monotonic()
        result = work()
        self.phases.append((name, time.monotonic() - begin))
        return result

    def _sandbox(self) -> SandboxInfo:
        folder = self.state / "sandbox"
        folder.mkdir(parents=True, exist_ok=True)
        info = Sandbox(PROJECT, folder, self.say).up()
        write_environment(info, self.state / "environments")
        return info

    def _prefect(self) -> str:
        environments = self.state / "environments"
        url = LocalPrefect(self.state, self.say).up(environments)
        os.environ["HOMEGURU_ENVIRONMENTS"] = str(environments)
        os.environ["PREFECT_API_URL"] = f"{url}/api"
        return url

    def _release(self, source: Path) -> dict[str, Any]:
        actor.claim(actor.from_terminal())
        progress.watch(self.watch)
        parameters = {"environment": "sandbox", "source": str(source), "allow_dirty": True}
        begin = time.monotonic()
        result: dict[str, Any] = run_flow("release", parameters)
        self.phases.append(("publish", time.monotonic() - begin - result["seconds"]))
        self.phases.append(("deploy", result["seconds"]))
        return result
