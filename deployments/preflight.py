"""Preflight: what a host must have before anything is changed on it."""

from __future__ import annotations

import re

from deployments.environment import Environment
from deployments.errors import Refused
from deployments.observation import Observation
from deployments.references import interpolate
from deployments.stack import Stack

MINIMUM_ENGINE = (25, 0)
MINIMUM_COMPOSE = (2, 26)


def preflight(environment: Environment, stack: Stack, seen: Observation) -> None:
    """Raise Refused with every reason why this host cannot take a release."""
    problems = [
        *_engine(seen, environment.host.user),
        *_directory(environment, seen),
        *_room(environment, seen),
        *_ports(environment, stack, seen),
    ]
    if problems:
        raise Refused(
            "; ".join(problem for problem, _ in problems),
            where=environment.ssh,
            state=f"runs {seen.current}, unchanged" if seen.current else "untouched",
            todo="; ".join(todo for _, todo in problems),
        )


def check_engine(environment: Environment, seen: Observation) -> None:
    """Raise Refused when the host's engine cannot even be asked."""
    for problem, todo in _engine(seen, environment.host.user):
        raise Refused(problem, where=environment.ssh, state="unknown", todo=todo)


def _engine(seen: Observation, user: str) -> list[tuple[str, str]]:
    if "permission denied" in seen.engine.lower():
        return [(f"{user} may not use Docker", f"as root: usermod -aG docker {user}")]
    if "Cannot connect" in seen.engine:
        return [("the Docker engine does not run", "as root: systemctl enable --now docker")]
    if not re.match(r"\d+\.", seen.engine):
        return [("there is no Docker engine", "install Docker Engine 25 or newer with Compose")]
    found = []
    if _version(seen.engine) < MINIMUM_ENGINE:
        found.append((f"Docker engine {seen.engine} is older than 25", "upgrade Docker Engine"))
    if not seen.compose:
        found.append(("Docker Compose v2 is missing", "install the Compose plugin, 2.26 or newer"))
    elif _version(seen.compose) < MINIMUM_COMPOSE:
        found.append((f"Compose {seen.compose} is older than 2.26", "upgrade the Compose plugin"))
    return found


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _directory(environment: Environment, seen: Observation) -> list[tuple[str, str]]:
    if seen.writable:
        return []
    owner, directory = environment.host.user, environment.directory
    return [(f"{owner} may not write in {directory}", f"as root: chown {owner} {directory}")]


def _room(environment: Environment, seen: Observation) -> list[tuple[str, str]]:
    found = []
    need = environment.need
    if seen.disk_mb < need.disk_mb:
        said = f"{seen.disk_mb} MiB of disk are free, {need.disk_mb} are needed"
        found.append((said, "free some, or lower need.disk_mb"))
    if seen.memory_mb < need.memory_mb:
        said = f"{seen.memory_mb} MiB of memory are free, {need.memory_mb} are needed"
        found.append((said, "free some, or lower need.memory_mb"))
    return found


def _ports(environment: Environment, stack: Stack, seen: Observation) -> list[tuple[str, str]]:
    found = []
    ours = {c.name for c in seen.containers}
    for service, raw in stack.ports:
        port = int(interpolate(raw, environment.variables))
        holder = seen.published.get(port, "")
        mine = any(c.state == "running" for c in seen.of(service)) and holder in ("", *ours)
        if port in seen.listening and not mine and holder not in ours:
            who = f"container {holder}" if holder else "another program"
            said = f"port {port}, which {service} publishes, is taken by {who}"
            found.append((said, f"stop it, or find it: ss -ltnp 'sport = :{port}'"))
    return found
