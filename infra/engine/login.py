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


@contextlib.contextmanager
def logged_in(login: tuple[str, str, str] | None) -> Iterator[dict[str, str]]:
    """A Docker configuration that holds one registry's credentials and nothing longer.

    login: (registry, user, token). Yields the variables for the call; builders and plugins stay
    those of the person's own configuration.
    """
    if login is None:
        yield {}
        return
    registry, user, token = login
    home = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    host = run("docker", "context", "inspect", "-f", "{{.Endpoints.docker.Host}}").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="homeguru-docker-") as folder:
        auth = base64.b64encode(f"{user}:{token}".encode()).decode()
        config = {
            "auths": {_HUB_KEY if registry == HUB else registry: {"auth": auth}},
            "cliPluginsExtraDirs": [str(home / "cli-plugins")],
        }
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(config))
        extra = {"DOCKER_CONFIG": folder, "BUILDX_CONFIG": str(home / "buildx")}
        yield {**extra, **({"DOCKER_HOST": host} if host else {})}
