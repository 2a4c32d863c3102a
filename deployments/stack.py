"""The stack: what one Compose file says, as far as a deploy needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployments.ports import numbers
from deployments.references import interpolate
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
        others = [s for s in self.ordered if wanted and s.name != wanted.service]
        return [s for s in others if self.passwords & self.uses[s.name]]

    @property
    def passwords(self) -> frozenset[str]:
        """Names of the secrets that are the database's two passwords."""
        wanted = self.deploy.database
        return frozenset({wanted.owner.password, wanted.application.password} if wanted else ())

    def published(self, variables: dict[str, str]) -> list[tuple[str, int]]:
        """Service and each TCP port that it publishes. `wrong_ports` tells what is none."""
        filled = [(service, numbers(interpolate(raw, variables))) for service, raw in self.ports]
        return [(service, port) for service, found in filled for port in found or ()]

    def wrong_ports(self, variables: dict[str, str]) -> list[str]:
        """What is published and is no port, a sentence each."""
        filled = [(service, interpolate(raw, variables)) for service, raw in self.ports]
        return [f"{s} publishes {t!r}, which is no port" for s, t in filled if not numbers(t)]

    @property
    def image_variables(self) -> frozenset[str]:
        """Variables that the deploy itself fills with image references."""
        return frozenset(s.image_variable for s in self.services.values())

    def called_for(self, variables: Mapping[str, str]) -> Stack:
        """The same without the optional services that no variable calls for."""
        return self.without({n for n, v in self.deploy.optional.items() if not variables.get(v)})

    def without(self, left_out: set[str]) -> Stack:
        """The same without some of its services."""
        if not left_out:
            return self
        deploy, edge = self.deploy, self.deploy.edge
        if edge and edge.service in left_out:
            edge = None
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
        if deploy.database and deploy.database.service in left_out:
            there["database"] = None
            gone |= self.passwords - still
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
