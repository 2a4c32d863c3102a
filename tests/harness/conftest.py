"""A real ephemeral Prefect server for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[None]:
    """Prefect's embedded server on a database of its own."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
