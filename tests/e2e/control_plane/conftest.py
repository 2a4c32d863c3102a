"""One control plane beside the session's sandbox, with the release that the sandbox runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from infra.control.volumes import LABEL
from infra.demo.control_plane import ControlDemo
from infra.engine.client import docker
from infra.engine.images import CADDY, COSIGN, DOCKER, ensure_images
from tests.e2e.conftest import ROOT, World, say
from tests.e2e.control_plane.control import Control

PROJECT = "hgtest-plane"
#: Runs wait for the slot; the schedule is there, and begins nothing while tests look.
CHANGES = {"[host]": "lock_wait = 120\n\n[host]", "every = 0": "every = 86400"}


def remove() -> None:
    """What a killed run left, by name and label."""
    names = [
        f"name=^{PROJECT}-(server|worker|worker-docker|gateway|postgres)-",
        f"label={LABEL}={PROJECT}",
    ]
    for wanted in names:
        if found := docker("ps", "-aq", "--filter", wanted).split():
            docker("rm", "-f", *found)


@pytest.fixture(scope="session")
def control(world: World) -> Iterator[Control]:
    """A control plane; its first start builds the image of this checkout."""
    state = ROOT / ".state" / "control-e2e"
    demo = ControlDemo(state, say, project=PROJECT, sandbox=world.info.project)
    ensure_images((CADDY, COSIGN, DOCKER), say)
    remove()
    demo.leave()
    shutil.rmtree(state, ignore_errors=True)
    demo = ControlDemo(state, say, project=PROJECT, sandbox=world.info.project)
    try:
        if not world.ok("status", "--env", "sandbox")["release"]:
            world.ok("release", "--env", "sandbox", "--source", str(world.repository))
        release = str(world.ok("status", "--env", "sandbox")["release"]).partition("-")[2]
        file = world.environments / "sandbox.toml"
        ours = state / "environment"
        ours.mkdir(parents=True)
        shutil.copy(file.with_suffix(".secrets.env"), ours)
        text = file.read_text()
        for before, after in CHANGES.items():
            text = text.replace(before, after, 1)
        (ours / file.name).write_text(text)
        begin = time.monotonic()
        demo.join(world.info, ours / file.name)
        say(f"control plane up after {time.monotonic() - begin:.0f} s")
        yield Control(demo, world, release)
    finally:
        demo.leave()
        shutil.rmtree(state, ignore_errors=True)
