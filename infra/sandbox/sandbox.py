"""A production server of your own: started, described, removed."""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from deployments.errors import HomeguruError
from infra.engine.client import DockerFailed, docker
from infra.engine.images import HAPROXY, POSTGRES, PYTHON, REGISTRY, ensure_images, server_image
from infra.machine.long_processes import Say, run_long
from infra.machine.waiting import wait_until
from infra.sandbox import parts, record
from infra.sandbox.login import Login, NotYet
from infra.ssh.key import ensure_key

#: What a server that can pull only from the sandbox's registry finds there, under library/.
UPSTREAM = (POSTGRES, HAPROXY)
PORT_TAKEN = ("port is already allocated", "address already in use")
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class SandboxFailed(HomeguruError):
    """The sandbox could not be started; the text says why and what to do."""


@dataclass(frozen=True)
class SandboxInfo:
    """Where everything of a running sandbox is found.

    Ports are on 127.0.0.1. `telegram_url` is for containers inside the server's own
    engine, all other addresses for the deployer. `server` is the server's container.
    """

    project: str
    ssh_port: int
    ssh_user: str
    ssh_key: Path
    host_key: str
    registry: str
    api_url: str
    frontend_url: str
    telegram_url: str
    telegram_control_url: str
    server: str


class Sandbox:
    """One sandbox: a server with its own engine, a registry, a Telegram stand-in.

    `project` prefixes every container, network and volume; `state` keeps ports and keys.
    """

    def __init__(self, project: str, state: Path, say: Say) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", project):
            raise ValueError(f"not a sandbox name (a-z, 0-9 and -, at most 40): {project!r}")
        self.project, self.state, self._say = project, state, say

    def up(self) -> SandboxInfo:
        """Bring everything up and wait until it answers; quick when it is up already.

        Stopped containers are started again with their data. Needs a running engine.
        Raises SandboxFailed, DockerFailed, CommandFailed or PullFailed.
        """
        with self._alone():
            begin = time.monotonic()
            started = self._start()
            info = self._info(self._ports())
            with ThreadPoolExecutor(max_workers=2) as pool:
                pushed = pool.submit(self._push_upstream, info.registry)
                self._await("server", self._login(info).check)
                self._await("telegram", lambda: _answers(f"{info.telegram_control_url}/_conflicts"))
                pushed.result()
            if started:
                self._say(f"sandbox {self.project} answers after {time.monotonic() - begin:.0f} s")
            return info

    def info(self) -> SandboxInfo | None:
        """Describe the sandbox, None when its server does not run (or no engine does)."""
        try:
            ports = record.load_ports(self.state, self.project)
            if ports is None or parts.states(self.project).get("server") != "running":
                return None
        except DockerFailed:
            return None
        return self._info(ports)

    def down(self) -> None:
        """Remove this project's containers, network and volumes, and nothing else.

        Ports and keys stay in the state folder: the next `up` is the same server again.
        """
        with self._alone():
            parts.remove(self.project)
        self._say(f"sandbox {self.project} removed")

    def _start(self) -> bool:
        """Create and start what is missing; False when everything ran already."""
        states = parts.states(self.project)
        wanted = ("registry", "telegram", "server")
        if states and record.load_ports(self.state, self.project) is None:
            raise SandboxFailed(
                f"A sandbox {self.project} exists, but {self.state} knows nothing of it: "
                "take it down first, or choose another name"
            )
        if all(states.get(name) == "running" for name in wanted):
            return False
        ensure_images((REGISTRY, PYTHON, server_image(), *UPSTREAM), self._say)
        self._say(f"starting the sandbox {self.project}")
        for attempt in range(3):
            try:
                self._create_and_start()
                return True
            except DockerFailed as error:
                # Somebody took a port between our choice and the start: choose again.
                fresh = "server" not in states
                if not (fresh and attempt < 2 and any(sign in str(error) for sign in PORT_TAKEN)):
                    raise
                parts.remove(self.project)
        return True

    def _create_and_start(self) -> None:
        states = parts.states(self.project)
        ports = record.load_ports(self.state, self.project)
        if not states:
            ports = record.choose_ports(self.project, ports)
            record.save_ports(self.state, self.project, ports)
        assert ports is not None  # _start refused containers without a record
        keys = (self.state / "host_key", ensure_key(self.state / "ssh_key"))
        ensure_key(keys[0])
        parts.ensure_network(self.project)
        for part in parts.parts(ports, keys):
            name, state = f"{self.project}-{part.name}", states.get(part.name)
            if state == "created":  # an interrupted run: perhaps without its files
                docker("rm", name)
            if state in (None, "created"):
                parts.create(self.project, part)
            if state != "running":
                docker("start", name)

    def _ports(self) -> dict[str, int]:
        ports = record.load_ports(self.state, self.project)
        if ports is None:
            raise SandboxFailed(f"{self.state} has lost its record; take the sandbox down")
        return ports

    def _info(self, ports: dict[str, int]) -> SandboxInfo:
        return SandboxInfo(
            project=self.project,
            ssh_port=ports["ssh"],
            ssh_user="systech",
            ssh_key=self.state / "ssh_key",
            host_key=ensure_key(self.state / "host_key"),
            registry=f"127.0.0.1:{ports['registry']}",
            api_url=f"http://127.0.0.1:{ports['api']}",
            frontend_url=f"http://127.0.0.1:{ports['frontend']}",
            telegram_url=f"http://{parts.TELEGRAM_NAME}:{parts.TELEGRAM_PORT}",
            telegram_control_url=f"http://127.0.0.1:{ports['telegram']}",
            server=f"{self.project}-server",
        )

    def _login(self, info: SandboxInfo) -> Login:
        return Login(info.ssh_port, info.ssh_user, info.ssh_key, info.host_key)

    def _push_upstream(self, registry: str) -> None:
        """Put the images into the registry that the server cannot pull elsewhere."""
        self._await("registry", lambda: _answers(f"http://{registry}/v2/"))
        for image in UPSTREAM:
            name, tag = f"library/{image}".split(":")
            headers = {"Accept": ", ".join(MANIFESTS)}
            address = f"http://{registry}/v2/{name}/manifests/{tag}"
            if httpx.head(address, headers=headers).status_code == 200:
                continue
            pushed = f"{registry}/{name}:{tag}"
            docker("tag", image, pushed)
            try:
                run_long(["docker", "push", "-q", pushed], f"pushing {image}", self._say)
            finally:
                docker("rmi", pushed)  # the name only: the image keeps its own

    def _await(self, name: str, check: Callable[[], None], seconds: float = 90) -> None:
        """Repeat `check` until it passes; SandboxFailed when it never does."""
        reason: Exception | None = None

        def answers() -> bool:
            nonlocal reason
            try:
                check()
            except (NotYet, httpx.TransportError) as error:
                reason = error
            else:
                return True
            if parts.states(self.project).get(name) != "running":
                raise self._silent(name, reason)
            return False

        message = f"waiting for {name}"
        if not wait_until(
            answers, seconds, every=0.1, tell=lambda spent: self._say(f"{message}: {spent:.0f} s")
        ):
            raise self._silent(name, reason)

    def _silent(self, name: str, reason: Exception | None) -> SandboxFailed:
        logs = docker("logs", "--tail", "5", f"{self.project}-{name}")
        return SandboxFailed(f"{name} does not answer ({reason}); its log: {logs}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold this state folder's lock: two runs at once would choose two sets of ports."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.state / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _answers(address: str) -> None:
    if (status := httpx.get(address).status_code) != 200:
        raise NotYet(f"{address}: {status}")
