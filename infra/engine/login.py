"""A registry's credentials, for one call of the Docker client."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deployments.image_name import HUB
from infra.machine.processes import run

#: Under this name alone Docker's own client keeps the credentials of Docker Hub.
_HUB_KEY = "https://index.docker.io/v1/"


def _credentials(folder: str, login: tuple[str, str, str], more: dict[str, object]) -> None:
    """Write a Docker configuration that only its owner can read."""
    registry, user, token = login
    auth = base64.b64encode(f"{user}:{token}".encode()).decode()
    config = {"auths": {_HUB_KEY if registry == HUB else registry: {"auth": auth}}, **more}
    file = Path(folder) / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))


@contextlib.contextmanager
def registry_login(login: tuple[str, str, str] | None) -> Iterator[dict[str, str]]:
    """Variables for another client of registries: it knows this login alone, or none.

    login: (registry, user, token).
    """
    with tempfile.TemporaryDirectory(prefix="homeguru-login-") as folder:
        if login:
            _credentials(folder, login, {})
        yield {"DOCKER_CONFIG": folder}


@contextlib.contextmanager
def logged_in(login: tuple[str, str, str] | None) -> Iterator[dict[str, str]]:
    """A Docker configuration that holds one registry's credentials and nothing longer.

    login: (registry, user, token). Yields the variables for the call; builders and plugins stay
    those of the person's own configuration.
    """
    if login is None:
        yield {}
        return
    home = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    host = run("docker", "context", "inspect", "-f", "{{.Endpoints.docker.Host}}").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="homeguru-docker-") as folder:
        _credentials(folder, login, {"cliPluginsExtraDirs": [str(home / "cli-plugins")]})
        extra = {"DOCKER_CONFIG": folder, "BUILDX_CONFIG": str(home / "buildx")}
        yield {**extra, **({"DOCKER_HOST": host} if host else {})}
