"""Runs that would be cut off when workers and server stop: asked of the server before anything stops."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from deployments.errors import Refused, Unreachable
from infra.control.docker import Docker, DockerRefused
from infra.control.volumes import LABEL

LOOK = Path(__file__).with_name("look.py")
"""Handed over, for an older image has it not, or another one."""
SHOWN = 5
WORKERS = ("worker-docker", "worker")
GRACE = 120
"""Seconds that a flow has to undo what it is doing."""


def runs_at_work(docker: Docker, server: str) -> list[str]:
    """Names of the runs that workers carry out now; none where the server does not answer."""
    words = ("exec", "-i", server or "none", "python", "-", "at-work")
    try:
        return [str(name) for name in json.loads(docker.text(*words, data=LOOK.read_bytes()))]
    except (DockerRefused, Unreachable, ValueError):
        # What stops a control plane must work also where its server is dead.
        return []


def refuse(docker: Docker, server: str) -> None:
    """Raise Refused naming the runs at work."""
    if not (names := runs_at_work(docker, server)):
        return
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    raise Refused(
        f"runs are at work, and would be cut off: {', '.join(names[:SHOWN])}{more}",
        where=docker.settings.url, state="unchanged",
        todo="wait for their end, their number is in: homeguru control-plane status; to cut them off, give "
        "the same command with --yes",
    )  # fmt: skip


def end(docker: Docker, containers: dict[str, str]) -> None:
    """Stop the workers, so that nothing begins, and give the flows time to undo what they do."""
    if workers := [containers[name] for name in WORKERS if name in containers]:
        docker.text("stop", *workers, timeout=180)
    label = f"label={LABEL}={docker.settings.project}"
    if flows := docker.text("ps", "-q", "--filter", label).split():
        # One may have ended meanwhile, and been removed.
        with suppress(DockerRefused):
            docker.text("stop", "-t", f"{GRACE}", *flows, timeout=GRACE + 60)
