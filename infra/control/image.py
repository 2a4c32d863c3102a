"""The image `homeguru-flows`: built from this checkout, once for each state of it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from deployments.errors import StepFailed, WrongUse
from infra.control.docker import Docker, DockerRefused
from infra.engine.images import CADDY, COSIGN, DOCKER, POSTGRES, PYTHON, ensure_images
from infra.machine.long_processes import CommandFailed
from infra.machine.paths import CHECKOUT

NAME = "homeguru-flows"
#: What the image is made of; the rest of the checkout does not change it.
PARTS = (
    "pyproject.toml", "uv.lock", "prefect.yaml", "docker", "doc/examples", "deployments", "flows",
    "infra",
)  # fmt: skip


def ensure_image(docker: Docker, chosen: str) -> str:
    """Name of the image to run: the chosen one, else one built of this checkout."""
    if not docker.settings.host:
        # Pulled, or built as stand-ins where nothing can be pulled.
        ensure_images((PYTHON, DOCKER, COSIGN, CADDY, POSTGRES), docker.say)
    if chosen:
        if not docker.exists("image", chosen):
            _pull(docker, chosen)
        return chosen
    if not (CHECKOUT / "docker" / "Dockerfile.flows").is_file():
        raise WrongUse(
            "this is not a checkout: the image cannot be built here", state="untouched",
            todo="give a published one: --image ghcr.io/OWNER/homeguru-flows@sha256:...",
        )  # fmt: skip
    name = f"{NAME}:{fingerprint(CHECKOUT)}"
    if not docker.exists("image", name):
        dockerfile = str(CHECKOUT / "docker" / "Dockerfile.flows")
        words = ("buildx", "build", "--load", "--progress=plain", "-f", dockerfile)
        docker.long(f"building {name}", *words, "--tag", name, str(CHECKOUT), timeout=1800)
        docker.say(f"built {name}")
    return name


def _pull(docker: Docker, name: str) -> None:
    """Apart from what runs it first, which has no time for a gigabyte."""
    try:
        docker.long(f"pulling {name}", "pull", "--quiet", name, timeout=1800)
    except CommandFailed as error:
        raise StepFailed(
            f"the image cannot be pulled: {error.reason}: {error.tail.strip()[-300:]}", where=name,
            state="unchanged",
            todo="correct --image; where its registry asks for a password, docker login comes first",
        ) from None  # fmt: skip


def prune(docker: Docker, keep: set[str]) -> list[str]:
    """Remove images built here for earlier states of the checkout; returns their names.

    The engine itself refuses one that a container uses, another control plane's for instance.
    """
    shown = docker.text("image", "ls", NAME, "--format", "{{.Repository}}:{{.Tag}}")
    removed = []
    for name in sorted(set(shown.split()) - keep):
        with suppress(DockerRefused):
            docker.text("image", "rm", name)
            removed.append(name)
    return removed


def fingerprint(root: Path) -> str:
    """Twelve digits that change with any file of the image."""
    digest = hashlib.sha256()
    for part in PARTS:
        top = root / part
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
