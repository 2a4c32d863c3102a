"""doc/tutorial/first-release.md, typed from top to bottom by somebody who has the wheel alone.

A bare machine, an application in a repository of its own. What a test cannot reach is Docker Hub: the
edge's image lies in the server's own registry, and one line of the environment says so.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from infra.engine.client import docker
from infra.engine.images import HAPROXY, REGISTRY
from infra.ssh.key import ensure_key
from tests.e2e.bare.environment import load
from tests.e2e.bare.machine import BareMachine, bare_machine
from tests.e2e.conftest import BESIDE, ROOT, git, say
from tests.e2e.guide_blocks import Block, blocks
from tests.e2e.typed import typed
from tests.shapes import written
from tests.wheel import built, installed

pytestmark = [pytest.mark.e2e, pytest.mark.guide]

TUTORIAL = ROOT / "doc" / "tutorial" / "first-release.md"
LONGEST = 15 * 60
"""Seconds that it may take, with the builds of a small application."""


@dataclass
class Learner:
    """Somebody who reads the tutorial, with a terminal in the application's repository."""

    machine: BareMachine
    repository: Path
    env: dict[str, str]
    todo: list[Block] = field(
        default_factory=lambda: [b for b in blocks(TUTORIAL.read_text()) if b.is_shell]
    )
    seconds: dict[str, float] = field(default_factory=dict)

    def read(self, section: str, *, fails: bool = False) -> str:
        """Type the next block, which belongs to this section; what the screen showed."""
        block = self.todo.pop(0)
        assert block.section == section
        begun = time.monotonic()
        code, screen = typed(
            block.text.replace("203.0.113.7", self.machine.address), cwd=self.repository,
            env=self.env, answers={"Are they the same? [y/N]:": "y", "Begin? [y/N]:": "y"},
        )  # fmt: skip
        self.seconds[section] = self.seconds.get(section, 0) + time.monotonic() - begun
        assert (code != 0) == fails, screen
        return screen

    @property
    def page(self) -> str:
        """What users see."""
        return httpx.get(f"http://{self.machine.address}:8090/", trust_env=False).text


@pytest.fixture(scope="module")
def learner(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learner]:
    folder, network = tmp_path_factory.mktemp("tutorial"), f"hgtest-tutorial{BESIDE}"
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    programs = installed(built(folder / "wheel"), folder / "venv")
    repository = written("counter", folder)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "Our application")
    docker("network", "rm", "-f", network)
    docker("network", "create", network)
    real = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8",
        "DOCKER_HOST": docker("context", "inspect", "-f", "{{.Endpoints.docker.Host}}"),
        "DOCKER_CONFIG": str(real), "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip
    try:
        with bare_machine(network, network, folder / "machine") as machine:
            # Root's key, as a provider puts one's own there.
            (home / ".ssh" / "id_ed25519").write_bytes(machine.root_key.read_bytes())
            (home / ".ssh" / "id_ed25519").chmod(0o600)
            (home / ".ssh" / "id_ed25519.pub").write_text(f"{ensure_key(machine.root_key)} me\n")
            yield Learner(machine, repository, env)
    finally:
        docker("network", "rm", "-f", network)


def test_from_a_repository_to_production_and_back(learner: Learner) -> None:
    begun = time.monotonic()
    first = learner.read("1. Prepare the repository")
    assert "compose.homeguru.yml differs from yours" in first
    edge = give_the_edge(learner)
    second = learner.read("2. Prepare the server")
    assert "Are they the same?" in second
    assert "done" in second
    give_images(learner, edge)
    assert "wrong" not in learner.read("2. Prepare the server")
    released = learner.read("3. Release")
    assert "release" in released
    assert learner.page == "VERSION"
    change(learner, "app.py", "VERSION", "Another greeting")
    planned = learner.read("4. Change something")
    assert "replace web" in planned
    assert learner.page == "Another greeting"
    change(learner, "Dockerfile", 'CMD ["python", "-u", "app.py"]', 'CMD ["false"]')
    broken = learner.read("5. Break something", fails=True)
    for word in ("Error:", "Server:", "Next:"):
        assert word in broken
    assert learner.page == "Another greeting"
    assert "undone" in learner.read("5. Break something")
    learner.read("6. Go back")
    assert learner.page == "VERSION"
    took = time.monotonic() - begun
    for section, seconds in learner.seconds.items():
        say(f"{section}: {seconds:.0f} s")
    say(f"the tutorial took {took / 60:.1f} minutes")
    assert took < LONGEST
    remove(learner)


def remove(learner: Learner) -> None:
    """The last block, as root: nothing of the application is left on the server."""
    (block,) = learner.todo
    assert block.section == "Remove it again"
    on = learner.machine
    on.run(block.text.replace("sudo ", "").replace("PROJECT", "counter"))
    for kind in ("ps -a", "volume ls", "network ls"):
        left = on.run(f"docker {kind} --format '{{{{json .}}}}'").splitlines()
        assert not [line for line in left if "counter" in line], kind
    assert "counter" not in on.run("ls /opt").split()


def change(learner: Learner, path: str, before: str, after: str) -> None:
    """What the tutorial leaves to the reader's own editor."""
    file = learner.repository / path
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def give_the_edge(learner: Learner) -> str:
    """Name the edge's image where a test reaches it."""
    file = learner.repository / ".homeguru" / "production.toml"
    edge = f"{tomllib.loads(file.read_text())['pull_registry']}/library/haproxy:3.0"
    file.write_text(f'{file.read_text()}\n[images]\nedge = "{edge}"\n')
    return edge


def give_images(learner: Learner, edge: str) -> None:
    load(learner.machine, REGISTRY, "docker.io/library/registry:2")
    # Starts the registry, and finds nothing in it.
    typed(
        "homeguru doctor --env production || true",
        cwd=learner.repository,
        env=learner.env,
        answers={},
    )
    load(learner.machine, HAPROXY, edge)
    learner.machine.run(f"docker push -q {edge}")
