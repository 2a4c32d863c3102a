"""A world of its own: `make browser` and `make test` may run beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.engine.daemon import Engine
from infra.sandbox.parts import remove
from infra.sandbox.sandbox import Sandbox, SandboxInfo
from tests.e2e.conftest import ROOT, say

PROJECT = "hgtest-browser"


@pytest.fixture(scope="session")
def info(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxInfo]:
    """A sandbox with another name than the one of `make test`."""
    remove(PROJECT)
    sandbox = Sandbox(PROJECT, tmp_path_factory.mktemp("sandbox"), say)
    try:
        yield sandbox.up()
    finally:
        sandbox.down()


@pytest.fixture(scope="session")
def state() -> Path:
    """Another place for Prefect's home."""
    return ROOT / ".state" / "browser"
