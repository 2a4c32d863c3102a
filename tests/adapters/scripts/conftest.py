"""Scripts run under a bash of this machine, in a folder that plays the host's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.environment.schema import Environment
from deployments.shell.quote import Script
from tests.builders import compose_config, digest, make_environment, stack, toml, world

__all__ = ["compose_config", "digest", "make_environment", "stack", "toml", "world"]


@dataclass
class Shell:
    """A directory that plays the host's, with stand-in programs first on PATH."""

    environment: Environment
    directory: Path
    programs: Path

    def program(self, name: str, text: str) -> None:
        """Put an executable on PATH."""
        file = self.programs / name
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}

    def run(self, script: Script | str, **more: Any) -> subprocess.CompletedProcess[str]:
        text = script.text if isinstance(script, Script) else script
        return subprocess.run(
            ["bash", "-c", text], cwd=self.directory, env=self.variables, capture_output=True,
            text=True, timeout=15, check=False, **more,
        )  # fmt: skip

    def start(self, script: Script) -> subprocess.Popen[str]:
        """Start a script that waits for lines on its standard input."""
        return subprocess.Popen(
            ["bash", "-c", script.text], cwd=self.directory, env=self.variables, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def read(self, path: str) -> str:
        return (self.directory / path).read_text()

    def write(self, path: str, text: str) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def shell(make_environment: Callable[..., Environment], tmp_path: Path) -> Shell:
    directory = tmp_path / "host"
    programs = tmp_path / "programs"
    directory.mkdir()
    programs.mkdir()
    made = Shell(make_environment(directory=str(directory)), directory, programs)
    made.program("docker", "exit 0")
    return made
