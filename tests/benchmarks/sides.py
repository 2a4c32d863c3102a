"""One way to deploy beside another: all are asked for the same."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.line import Line
from tests.benchmarks.peers.tools import HERE, Peer
from tests.e2e.conftest import World, address_of
from tests.e2e.faults.beside import Deployer

BUILT = ("api", "bot", "frontend")
Images = dict[str, str]
"""Service to reference, as the server pulls it."""


@dataclass
class Release:
    """One release, by its name and by its images."""

    name: str
    images: Images


class Side:
    """One way to deploy, as all of them are asked for it."""

    name: str
    project: str
    url: str
    summary: dict | None = None
    """What the last run said of its steps, where it does."""

    def on(self, line: Line) -> None:
        """Reach the server over this line from now on."""
        raise NotImplementedError

    def go(self, release: Release, variable: str, back: bool = False) -> None:
        """Bring the server to a release with a variable's value; `back`: it ran before."""
        raise NotImplementedError


class Theirs(Side):
    def __init__(self, peer: Peer, world: World, common: dict[str, str]) -> None:
        self.name, self.project, self._peer = peer.name, peer.project, peer
        self._world, self._common = world, common
        self.url = f"http://{address_of(world.info.server)}:{peer.api_port}/"
        peer.folder.mkdir()
        (peer.folder / "docker-compose.yml").write_text((HERE / "docker-compose.yml").read_text())
        world.on_server(f"mkdir -p ~/{self.project}")

    def on(self, line: Line) -> None:
        self._peer.reached_at(line.port, self._world.info.ssh_key, self._world.info.host_key)

    def go(self, release: Release, variable: str, back: bool = False) -> None:
        images = {f"{s.upper()}_IMAGE": ref for s, ref in release.images.items()}
        self._peer.write({**self._common, **images, "LLM_MODEL": variable})
        self._peer.deploy()


class Ours(Side):
    project = "homeguru"

    def __init__(self, world: World, with_prefect: bool) -> None:
        self.name = "ours" if with_prefect else "ours, without Prefect"
        self._world, self._with_prefect = world, with_prefect
        self._port = world.info.ssh_port
        self.url = world.info.api_url

    def on(self, line: Line) -> None:
        file = self._world.environments / "sandbox.toml"
        file.write_text(file.read_text().replace(f"\nport = {self._port}", f"\nport = {line.port}"))
        self._port = line.port

    def go(self, release: Release, variable: str, back: bool = False) -> None:
        self._world.set_variable("LLM_MODEL", variable)
        verb = "rollback" if back else "deploy"
        if not self._with_prefect:
            run = Deployer(self._world, verb, "-", release.name)
            assert run.end() == 0, run.text
            return
        self.summary = self._world.ok(verb, release.name, "--env", "sandbox")
