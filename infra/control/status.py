"""How a control plane is: containers, server, workers, memory, last backup."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from infra.control import backup
from infra.control.at_work import LOOK
from infra.control.docker import Docker, DockerRefused
from infra.control.plane import ControlPlane

SERVICES = ("postgres", "server", "worker-docker", "worker", "guard", "gateway")
_SHAPE = (
    '{"id":"{{.ID}}","state":"{{.State.Status}}","image":"{{.Config.Image}}",'
    '"health":"{{if .State.Health}}{{.State.Health.Status}}{{end}}","restarts":{{.RestartCount}}}'
)


@dataclass
class PartState:
    """One container; `memory` in bytes."""

    service: str
    state: str = "missing"
    health: str = ""
    image: str = ""
    restarts: int = 0
    memory: int = 0

    @property
    def well(self) -> bool:
        """Whether it runs and its health check passes."""
        return self.state == "running" and self.health in ("", "healthy")


@dataclass
class Status:
    """What `homeguru control-plane status` prints; `problems` is empty when all is well."""

    url: str
    certificate: str = ""
    image: str = ""
    version: str = ""
    runs_at_work: int = 0
    workers: dict[str, list[str]] = field(default_factory=dict)
    containers: list[PartState] = field(default_factory=list)
    backup: backup.PlaneBackup | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def memory(self) -> int:
        """Bytes of all containers together."""
        return sum(part.memory for part in self.containers)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "memory": self.memory}


def status(plane: ControlPlane) -> Status:
    """Look; changes nothing. Raises Unreachable when the engine does not answer."""
    report = Status(plane.settings.url, image=plane.image(), backup=backup.last(plane.state))
    if plane.settings.tls == "internal":
        report.certificate = str(plane.state.folder / "ca.crt")
    compose = plane.compose(plane.image() or "none")
    report.containers = parts(plane.docker, compose.containers())
    report.problems = [
        f"{p.service} is {p.state}{f', {p.health}' if p.health else ''}"
        for p in report.containers
        if not p.well
    ]
    _server(plane, compose.containers().get("server", ""), report)
    return report


def parts(docker: Docker, containers: dict[str, str]) -> list[PartState]:
    """Each service's container, the missing ones too."""
    if not containers:
        return [PartState(service) for service in SERVICES]
    shown = docker.text("inspect", "--format", _SHAPE, *containers.values())
    by_id = {row.pop("id"): row for row in map(json.loads, shown.splitlines())}
    used = _memory(docker, list(containers.values()))
    states = []
    for service in dict.fromkeys((*SERVICES, *containers)):
        container = containers.get(service, "")
        row = by_id.get(container, {})
        states.append(PartState(service, memory=used.get(container, 0), **row))
    return states


def _server(plane: ControlPlane, container: str, report: Status) -> None:
    try:
        words = ("exec", "-i", container or "none", "python", "-")
        output = json.loads(plane.docker.text(*words, data=LOOK.read_bytes()))
    except DockerRefused:
        report.problems.append("the Prefect server does not answer")
        return
    report.version, report.runs_at_work = output["version"], output["runs_at_work"]
    report.workers = output["workers"]
    report.problems += [
        f"no worker is online for pool {pool}"
        for pool, names in report.workers.items()
        if not names
    ]
    try:
        answer = plane.ask("/api/health").status_code
        if answer != 200:
            report.problems.append(f"{report.url} answers {answer}")
    except (httpx.HTTPError, OSError) as error:
        report.problems.append(f"{report.url} does not answer from here: {error}")


def _memory(docker: Docker, containers: list[str]) -> dict[str, int]:
    """Bytes in use by container id; one that does not run uses none."""
    shown = docker.text("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *containers)
    rows = [json.loads(line) for line in shown.splitlines()]
    return {row["ID"]: in_bytes(row["MemUsage"].partition(" / ")[0]) for row in rows}


def in_bytes(text: str) -> int:
    """`195.3MiB` as docker prints it."""
    units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "B": 1}
    for unit, size in units.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * size)
    return 0
