"""The stack: what one Compose file says, read from `docker compose config`.

Source of the shape: `docker compose config --no-interpolate --format json`, Compose 2.26.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from deployments.errors import WrongUse
from deployments.references import references
from deployments.xdeploy import Deploy


@dataclass(frozen=True)
class Service:
    """One service of the Compose file, as far as a deploy needs it."""

    name: str
    image_variable: str
    start_first: bool
    reservation_mb: int
    """Memory that a copy is expected to use, from `resources.reservations`; 0 when not said."""
    overrides_command: bool
    one_off: bool
    stop_grace: int


@dataclass(frozen=True)
class Stack:
    """All services, what each refers to, and `x-deploy`."""

    text: str
    services: dict[str, Service]
    deploy: Deploy
    references: dict[str, str | None]
    """Variable name to default; None means that a value is needed."""
    uses: dict[str, frozenset[str]]
    """Service to the variables that reach it."""
    ports: tuple[tuple[str, str], ...]
    """Service and each port that it publishes on the host; may be a ${reference}."""
    in_urls: frozenset[str]
    """Variables that stand inside a URL and so must be URL-safe."""
    volumes: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Service to the named volumes that it mounts: name, may hold ${references}, and path inside."""

    @property
    def ordered(self) -> list[Service]:
        """Long-running services in the order of replacement."""
        rank = {name: i for i, name in enumerate(self.deploy.order)}
        running = [s for s in self.services.values() if not s.one_off]
        return sorted(running, key=lambda s: (rank.get(s.name, -1), s.name))

    @property
    def database_users(self) -> list[Service]:
        """Long-running services that are given one of the database's passwords, as ordered."""
        wanted = self.deploy.database
        if wanted is None:
            return []
        passwords = {wanted.owner.password, wanted.application.password}
        others = [s for s in self.ordered if s.name != wanted.service]
        return [s for s in others if passwords & self.uses[s.name]]

    @property
    def image_variables(self) -> frozenset[str]:
        """Variables that the deploy itself fills with image references."""
        return frozenset(s.image_variable for s in self.services.values())

    def called_for(self, variables: Mapping[str, str]) -> Stack:
        """The same without the optional services that no variable calls for."""
        left_out = {n for n, v in self.deploy.optional.items() if not variables.get(v)}
        if not left_out:
            return self
        deploy, edge = self.deploy, self.deploy.edge
        if edge:
            routes = {n: r for n, r in edge.routes.items() if n not in left_out}
            edge = edge.model_copy(update={"routes": routes})
        there = {
            "infrastructure": {n: i for n, i in deploy.infrastructure.items() if n not in left_out},
            "probes": {n: p for n, p in deploy.probes.items() if n not in left_out},
            "edge": edge,
        }
        still = {v for n, used in self.uses.items() if n not in left_out for v in used}
        gone = {v for n in left_out for v in self.uses[n]} - still
        return replace(
            self,
            deploy=deploy.model_copy(update=there),
            references={n: d for n, d in self.references.items() if n not in gone},
            services={n: s for n, s in self.services.items() if n not in left_out},
            ports=tuple((n, port) for n, port in self.ports if n not in left_out),
        )

    def built(self) -> list[str]:
        """Services whose images are published from the application's source."""
        return [s.name for s in self.ordered if s.name not in self.deploy.infrastructure]


def parse_stack(text: str, config: dict[str, Any], where: str) -> Stack:
    """Read a Compose file's text and its `compose config` form.

    Raises WrongUse when `x-deploy` is missing or a service's image is not a variable.
    """
    try:
        deploy = Deploy.model_validate(config.get("x-deploy", {}))
    except ValidationError as error:
        said = "; ".join(
            f"x-deploy.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()
        )
        raise WrongUse(said, where=where, todo="see docker/docker-compose.prod.yml") from None
    raw: dict[str, dict[str, Any]] = config.get("services", {})
    services = {
        name: _service(name, body, where, optional=name in deploy.optional)
        for name, body in sorted(raw.items())
    }
    _check_names(deploy, services, where)
    return Stack(
        text=text,
        services=services,
        deploy=deploy,
        references=_asked_for(config),
        uses={name: frozenset(references(json.dumps(body))) for name, body in raw.items()},
        ports=tuple((n, p) for n, body in raw.items() for p in _published(body)),
        in_urls=_in_urls(raw),
        volumes={name: _volumes(body, config.get("volumes") or {}) for name, body in raw.items()},
    )


def _service(name: str, body: dict[str, Any], where: str, *, optional: bool) -> Service:
    # Where it is left out, Compose still reads the file: its image may have a default.
    default = "(?::-[^{}]*)?" if optional else ""
    image = re.fullmatch(rf"\$\{{([A-Z][A-Z0-9_]*){default}\}}", body.get("image", ""))
    if image is None:
        raise WrongUse(
            f"service {name}: `image` must be one variable, "
            f"${{{name.upper().replace('-', '_')}_IMAGE}}, which the deploy fills with a digest",
            where=where,
        )
    if "container_name" in body:
        raise WrongUse(
            f"service {name}: `container_name` forbids a second container, "
            "and so a replacement without a gap",
            where=where,
            todo="remove it; other services reach this one by its service name",
        )
    deploy = body.get("deploy") or {}
    order = (deploy.get("update_config") or {}).get("order", "stop-first")
    reserved = (deploy.get("resources") or {}).get("reservations") or {}
    return Service(
        name=name,
        image_variable=image.group(1),
        start_first=order == "start-first",
        reservation_mb=_mebibytes(str(reserved.get("memory", "0"))),
        overrides_command=bool(body.get("command") or body.get("entrypoint")),
        one_off=bool(body.get("profiles")) and not optional,
        stop_grace=_seconds(str(body.get("stop_grace_period", "10s"))),
    )


def _check_names(deploy: Deploy, services: dict[str, Service], where: str) -> None:
    named = {*deploy.order, *deploy.infrastructure, *deploy.optional, *deploy.probes}
    if deploy.edge:
        named |= {deploy.edge.service, *deploy.edge.routes}
    if deploy.database:
        named.add(deploy.database.service)
    if deploy.migrate:
        named |= {deploy.migrate.service, deploy.migrate.image_of, *deploy.migrate.at_start}
    unknown = sorted(named - services.keys())
    if unknown:
        raise WrongUse(
            f"x-deploy names services that do not exist: {', '.join(unknown)}", where=where
        )


def _published(body: dict[str, Any]) -> list[str]:
    """Host ports of `8003:8003`, `127.0.0.1:${PORT:-8003}:8003` or the long form."""
    found = []
    for port in body.get("ports") or []:
        if isinstance(port, dict):
            found.append(str(port.get("published") or ""))
        else:
            match = re.search(r"(\$\{[^}]*\}|\d+):[^:]+$", str(port))
            found.append(match[1] if match else "")
    return [port for port in found if port]


def _asked_for(config: dict[str, Any]) -> dict[str, str | None]:
    """Variables that somebody must or may give a value; the project's name Compose knows."""
    parts = [config.get(key) or {} for key in ("services", "volumes", "x-deploy")]
    found = references(json.dumps(parts))
    return {name: default for name, default in found.items() if name != "COMPOSE_PROJECT_NAME"}


def _volumes(body: dict[str, Any], names: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Named volumes: a name that the file does not give is Compose's own, of the project."""
    return tuple(
        (names.get(v["source"], {}).get("name") or v["source"], v["target"])
        for v in body.get("volumes") or []
        if isinstance(v, dict) and v.get("type") == "volume" and v.get("source")
    )


def _seconds(text: str) -> int:
    parts = re.findall(r"(\d+)(h|m|s)(?![a-z])", text)
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts) or 10


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kmg]?)b?", text.strip().lower())
    if match is None:
        return 0
    return int(match[1]) * {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}[match[2]] // 2**20


def _in_urls(raw: dict[str, dict[str, Any]]) -> frozenset[str]:
    values = [
        str(value)
        for body in raw.values()
        for value in (body.get("environment") or {}).values()
        if re.match(r"[a-z][a-z0-9+.:-]*://", str(value))
    ]
    return frozenset(name for value in values for name in references(value))
