"""`docker compose up` on a person's own machine, from source, without our tool."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.e2e
FILE = Path(__file__).resolve().parents[2] / "docker" / "docker-compose.yml"
PROJECT = "hgtest-local"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def addresses(engine) -> Iterator[dict[str, str]]:
    """The stack, up and healthy; the addresses of API and pages."""
    ports = {"API_PORT": str(free_port()), "FRONTEND_PORT": str(free_port())}

    def compose(*words: str) -> None:
        command = ["docker", "compose", "-p", PROJECT, "-f", str(FILE), *words]
        done = subprocess.run(
            command, env={**os.environ, **ports}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    compose("down", "--volumes", "--remove-orphans")
    try:
        compose("up", "--detach", "--build", "--quiet-pull")
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        compose("down", "--volumes", "--remove-orphans")


def get(url: str) -> httpx.Response:
    """Ask until it answers: `up` does not wait for health."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.get(url, timeout=30, trust_env=False)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_the_api_serves_on_a_migrated_database(addresses) -> None:
    answer = get(f"{addresses['API_PORT']}/health")
    assert answer.json()["revision"] == "a1b2c3d40002"
    posted = httpx.post(
        f"{addresses['API_PORT']}/messages", json={"text": "a chair"}, trust_env=False
    )
    assert posted.status_code == 201


def test_the_pages_are_served(addresses) -> None:
    assert "HomeGuru" in get(addresses["FRONTEND_PORT"]).text
