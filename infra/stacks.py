"""Reading a Compose file with Compose itself."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from deployments.compose_file import check, parse_stack
from deployments.errors import WrongUse
from deployments.stack import Stack
from infra.local import run

PROJECT = "homeguru-any-project"
"""Stands for an environment's project while Compose reads a file without one."""


def read_stack(file: Path) -> Stack:
    """Read a Compose file; raises WrongUse with Compose's own complaint."""
    if not file.is_file():
        raise WrongUse(f"no Compose file {file}", state="untouched")
    text, where = file.read_text(), str(file)
    stack = stack_of(text, where)
    check(stack, _config_of(text, where), where)
    return stack


def stack_of(text: str, where: str) -> Stack:
    """Read a Compose file's text, for instance a former release's."""
    return parse_stack(text, _config_of(text, where), where)


@lru_cache(maxsize=16)
def _config_of(text: str, where: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="homeguru-compose-") as folder:
        copy = Path(folder) / "compose.yml"
        copy.write_text(text)
        done = run(
            "docker", "compose", "-p", PROJECT, "-f", str(copy), "--profile", "*", "config",
            "--no-interpolate", "--format", "json",
        )  # fmt: skip
    if done.code != 0:
        raise WrongUse(
            f"Compose cannot read it: {done.stderr.strip()[-500:]}", where=where, state="untouched"
        )
    # Names that Compose makes of the project's are the environment's.
    config = done.stdout.replace(f"{PROJECT}_", "${COMPOSE_PROJECT_NAME}_")
    return cast("dict[str, Any]", json.loads(config))
