"""Short calls of the Docker client, with its complaint kept in the error."""

from __future__ import annotations

from deployments.errors import HomeguruError, WrongUse
from infra.machine.processes import TimedOut, run


class DockerFailed(HomeguruError):
    """A Docker client command failed; the text names the command and its complaint."""


def docker(*args: str, data: bytes | None = None, timeout: float = 60) -> str:
    """Run `docker` with `args` and return its standard output, stripped.

    `data` goes to its standard input. Raises DockerFailed when it fails, is missing, or
    needs more than `timeout` seconds.
    """
    shown = "docker " + " ".join(args[:3])
    try:
        completed = run("docker", *args, stdin=data or b"", timeout=timeout)
    except (WrongUse, TimedOut) as error:
        raise DockerFailed(f"{shown}: {error.what}") from error
    if completed.code:
        raise DockerFailed(f"{shown}: {completed.stderr.strip()}")
    return completed.stdout.strip()


def image_exists(name: str) -> bool:
    """Tell whether the engine holds an image of this name."""
    try:
        docker("image", "inspect", "--format", "{{.Id}}", name)
    except DockerFailed as error:
        if "no such image" in str(error).lower():
            return False
        raise
    return True
