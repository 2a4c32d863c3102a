"""Images that the repositories name and that no recipe of ours makes, where Docker Hub is out of reach.

Each has the folders and the start of the image whose name it gets, for as long as the tests run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.engine.client import docker, image_exists
from infra.machine.processes import run

FOLDER = Path(__file__).with_name("images")
BASES = {"golang:1": "golang", "nginx:1": "nginx", "nginx:alpine": "nginx"}
"""What a Dockerfile begins with, on the machine that builds."""
PULLED = {"library/nginx:1.27": "nginx", "library/redis:7-alpine": "redis", "acme/cron:2": "cron"}
"""What a server pulls, by its repository in a registry."""


def built(folder: str) -> str:
    """Build one; its name on this machine. The layers of an earlier time are used again."""
    name = f"hgtest-{folder}"
    words = ["--builder", docker("context", "show"), "--load", "--progress=plain", "--tag", name]
    done = run("docker", "buildx", "build", *words, str(FOLDER / folder), timeout=900)
    assert done.code == 0, done.stderr
    return name


@contextmanager
def bases() -> Iterator[None]:
    """The images that Dockerfiles begin with; a real one of that name stays as it is."""
    ours = [name for name in BASES if not image_exists(name)]
    try:
        for name in ours:
            docker("tag", built(BASES[name]), name)
        yield
    finally:
        for name in ours:
            docker("rmi", name)
