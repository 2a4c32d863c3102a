"""A deployer as a process beside the test, which a fault can meet at a step of its plan."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

from tests.e2e.conftest import World

PATIENCE = 240


class Deployer:
    """A deployer's process, and all that it printed."""

    def __init__(
        self, world: World, verb: str, step: str, word: str, environment: str = "sandbox"
    ) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.faults.deployer", verb, step, word, environment],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**world.variables, "PREFECT_API_URL": ""}, start_new_session=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def stands(self, step: str) -> bool:
        """Whether it came to the step; False when it ended before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if f"AT {step}" in self.lines:
                return True
            if self.process.poll() is not None:
                self._thread.join(5)
                return f"AT {step}" in self.lines
            time.sleep(0.02)
        return False

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and waited for: nothing of it is left to say or do."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._thread.join(5)

    def end(self) -> int | None:
        """Its exit code; None when it had to be killed."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        finally:
            self._thread.join(5)
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def steps(self) -> list[str]:
        return next((json.loads(x) for x in self.lines if x.startswith('["')), [])

    @property
    def took(self) -> dict[str, float]:
        """Seconds of each step of a run that ended well."""
        took: dict[str, float] = json.loads(self.lines[-1])["took"]
        return took
