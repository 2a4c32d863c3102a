"""The control plane of a test: its button, its API, and what must hold after a failure."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.demo.control_plane import ControlDemo
from infra.engine.client import docker
from infra.orchestration.api.client import PrefectApi
from tests.e2e.conftest import Ended, World

LIMIT = "env-sandbox"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Control:
    """The control plane of this run, and its button as Actions presses it."""

    demo: ControlDemo
    world: World
    release: str
    _changes: int = field(default=0)

    @property
    def variables(self) -> dict[str, str]:
        """Of a process that presses: the account `trigger`, and nothing of the other server."""
        ours = self.demo.variables("trigger")
        return {**self.world.variables, **ours, "HOMEGURU_HERE": "0", "NO_COLOR": "1"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `homeguru WORDS` against the control plane."""
        return self.world.start(*words, **self.variables)

    def homeguru(self, *words: str) -> Ended:
        """Run it to its end, within 400 s."""
        process = self.start(*words)
        stdout, stderr = process.communicate(timeout=400)
        return Ended(process.returncode, stdout, stderr)

    def deploy(self) -> Ended:
        """The button."""
        return self.homeguru("deploy", self.release, "--env", "sandbox", "--json")

    def change(self) -> None:
        """A changed variable, so that the next deploy replaces containers."""
        self._changes += 1
        value = f"openai/control-{self._changes}-{time.time():.0f}"
        # Here too: a run is refused where the worker's file says otherwise than this machine's.
        for folder in ("here", "there"):
            file = self.demo.state / folder / "sandbox.toml"
            lines = [x for x in file.read_text().splitlines() if not x.startswith("LLM_MODEL =")]
            at = lines.index("[variables]") + 1
            text = [*lines[:at], f'LLM_MODEL = "{value}"', *lines[at:]]
            file.write_text("\n".join(text) + "\n")
        self.demo.plane.refresh()

    @contextmanager
    def api(self, account: str = "demo") -> Iterator[PrefectApi]:
        """The API through the gateway, as an account; a person by default."""
        found = self.demo.api(account)
        try:
            yield found
        finally:
            found.close()

    def get(self, path: str) -> Any:
        with self.api() as api:
            return api.get(path)

    def post(self, path: str, body: Any) -> Any:
        with self.api() as api:
            return api.post(path, body)

    def container(self, service: str) -> str:
        """Name of a service's container."""
        return f"{self.demo.project}-{service}-1"

    def flow_container(self, run: str) -> str:
        """The container of a run."""
        label = f"label=io.prefect.flow-run-id={run}"
        return docker("ps", "-aq", "--no-trunc", "--filter", label)

    def at_work(self, verb: str = "deploy") -> str:
        """Wait until a run of this verb replaces a container; its id."""
        self.until(self._replaces, 200, "a run that replaces a container")
        kind = {
            "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
            "flows": {"name": {"any_": [verb]}},
        }
        (run,) = self.post("/flow_runs/filter", kind)
        return str(run["id"])

    def _replaces(self) -> bool:
        shown = self.world.on_server(
            "cat lock/owner 2>/dev/null; tail -qn 1 journal/*.jsonl || true"
        )
        return '"step":"replace' in shown and '"event":"begin"' in shown

    def until(self, true: Callable[[], object], seconds: float, what: str) -> float:
        """Wait for it; returns how long it took."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if true():
                return time.monotonic() - begin
            time.sleep(0.3)
        raise AssertionError(f"{what}: not within {seconds} s")

    def held(self) -> int:
        """Taken slots of the environment."""
        return int(self.get(f"/v2/concurrency_limits/{LIMIT}")["active_slots"])

    def waits(self, run: str) -> dict[str, float]:
        """Seconds from a run's creation to each of its states."""
        states = self.get(f"/flow_run_states/?flow_run_id={run}")
        return after_creation(self.get(f"/flow_runs/{run}"), states)

    def settled(self, run: str) -> None:
        """What must hold after whatever happened: it ended, the slot is free, a deploy converges."""
        begin = time.monotonic()
        self.until(lambda: self.get(f"/flow_runs/{run}")["state"]["type"] in ENDED, 200, "its end")
        ended = time.monotonic() - begin
        self.until(lambda: self.held() == 0, 100, "a free slot")
        freed = time.monotonic() - begin
        following = self.deploy()
        assert following.code == 0, following.stdout + following.stderr
        assert following.json["outcome"] == "ok"
        again = self.deploy()
        assert (again.code, again.json["changed"]) == (0, False), again.stderr
        state = self.get(f"/flow_runs/{run}")["state"]
        print(f"then: ended {ended:.0f} s ({state['name']}), slot free {freed:.0f} s")


def after_creation(run: dict[str, Any], states: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds from a run's creation to each of its states, by the state's name."""
    began = datetime.fromisoformat(run["created"])
    return {
        s["name"]: (datetime.fromisoformat(s["timestamp"]) - began).total_seconds() for s in states
    }


def inspect(container: str) -> dict[str, Any]:
    """All that the engine says of a container."""
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def run_of(text: str) -> str:
    """Id of the run that a press printed."""
    match = re.search(r"/runs/flow-run/([0-9a-f-]{36})", text)
    assert match, text
    return match[1]
