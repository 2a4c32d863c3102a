"""Builders that the adapter tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.environment import parse_environment
from infra.environments import Located


@pytest.fixture
def located(tmp_path: Path) -> Callable[..., Located]:
    """An environment that was read from `tmp_path`, with some keys changed."""

    def make(**changes: Any) -> Located:
        data = {
            "v": 1, "project": "homeguru", "directory": "/srv/homeguru",
            "push_registry": "localhost:5000", "pull_registry": "localhost:5000",
            "repository": "acme/homeguru-{service}",
            "host": {"address": "h", "user": "deploy", "key_file": "keys/id", "host_keys": []},
        }  # fmt: skip
        environment = parse_environment("prod", {**data, **changes}, "prod.toml")
        return Located(environment, tmp_path / "prod.toml")

    return make
