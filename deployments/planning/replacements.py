"""How a target's services are replaced on one host: in which order, with what, and what stays."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.kept_folders import kept_volumes
from deployments.compose.stack import Service
from deployments.host.candidate import Candidate
from deployments.host.observation import Observation
from deployments.planning.changes import Change
from deployments.planning.rounds import Rounds
from deployments.planning.target import Target
from deployments.shell.replace import Backend, Replacement

DRAIN = 30
"""Seconds that requests in flight may still take on the old container."""


@dataclass(frozen=True)
class Replacements:
    """What the steps of a plan are made from."""

    target: Target
    seen: Observation
    candidate: Candidate
    keep: bool = False
    """Whether containers that served stay through the window after the release."""
    stopped: frozenset[str] = frozenset()
    """Services that an earlier step stops."""

    @property
    def rounds(self) -> Rounds:
        """How changes are divided into rounds."""
        after = self.target.stack.deploy.after
        alone = self.stop_first | self._doubled
        return Rounds(after, self.seen.memory_mb, alone, self.kept_services(), self.absent)

    @property
    def _doubled(self) -> set[str]:
        """Services of which an earlier run left two containers that run: both have their memory."""
        running = [c.service for c in self.seen.containers if c.state == "running"]
        return {name for name in running if running.count(name) > 1}

    @property
    def absent(self) -> set[str]:
        """Services of which nothing serves until they are started."""
        serving = {c.service for c in self.seen.containers if c.serving} - self.stopped
        return {s.name for s in self.target.stack.ordered} - serving

    @property
    def stop_first(self) -> set[str]:
        """Services whose old container stops before the new one starts."""
        stop_first = {s.name for s in self.target.stack.ordered if not s.start_first}
        return stop_first | set(self.pauses())

    def pauses(self) -> dict[str, str]:
        """Start-first services that are replaced stop-first all the same, and why."""
        start_first = [s for s in self.target.stack.ordered if s.start_first]
        no_room = {
            s.name: "there is no free memory for two containers"
            for s in start_first
            if s.reservation_mb > self.seen.memory_mb and s.name not in self._doubled
        }
        return {**no_room, **{s.name: s.alone for s in start_first if s.alone}}

    def kept_services(self) -> set[str]:
        """Services whose containers stay through the window: as many as there is memory for."""
        edge = self.target.stack.deploy.edge
        services: set[str] = set()
        room = self.seen.memory_mb
        for service in self.target.stack.ordered if edge and self.keep else []:
            room -= service.reservation_mb
            if service.start_first and edge and service.name in edge.routes and room >= 0:
                services.add(service.name)
        return services

    def backend(self, service: Service) -> Backend | None:
        """Where it is behind the edge; None for one that nobody reaches there."""
        edge = self.target.stack.deploy.edge
        if edge is None or service.name not in edge.routes:
            return None
        return Backend(edge.service, edge.routes[service.name].port, DRAIN)

    def of(self, change: Change) -> Replacement:
        """The input of the scripts that replace a container."""
        return self.what(change.service, change.image)

    def what(self, service: Service, image: str) -> Replacement:
        """The same for a service that does not change, or of another image."""
        return Replacement(
            service=service.name,
            variable=service.image_variable,
            image=image,
            config_hash=self.candidate.hashes.get(service.name, ""),
            start_first=service.start_first and service.name not in self.pauses(),
            healthy_within=self.target.environment.healthy_within_of(service.name),
            grace=service.stop_grace,
            keep=service.name in self.kept_services(),
            ready=self._ready(service.name),
            user=self.target.value(self.target.stack.user(service.name)),
            volumes=self._volumes(service.name),
        )

    def _volumes(self, service: str) -> tuple[str, ...]:
        """Those that its user must be able to write to, `name:path`."""
        stack = self.target.stack
        wanted = kept_volumes(stack, service)
        if service in stack.deploy.infrastructure and stack.user(service):
            wanted = stack.own_volumes(service)
        return tuple(f"{self.target.in_project(name)}:{path}" for name, path in wanted)

    def _ready(self, service: str) -> tuple[str, ...]:
        probe = self.target.stack.deploy.probes.get(service)
        verify = self.target.environment.verify
        if probe is None or service in verify.leave_out or "ready" in verify.skip.get(service, ()):
            return ()
        return tuple(self.target.value(word) for word in probe.ready)
