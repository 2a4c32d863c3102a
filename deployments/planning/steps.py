"""From a change to the step that makes it: the script, and the reason a person reads."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.extension import EdgeService
from deployments.compose.kept_folders import kept_volumes
from deployments.compose.stack import Service
from deployments.history.step_kind import Kind
from deployments.host.candidate import Candidate
from deployments.host.edge import read_former
from deployments.host.observation import Observation
from deployments.planning.changes import Change
from deployments.planning.plan import ScriptStep, Step, VerifyStep, WatchStep
from deployments.planning.rounds import Rounds, side_by_side
from deployments.planning.target import Target
from deployments.shell import files, images, together
from deployments.shell.completion import complete
from deployments.shell.edge import reload_edge
from deployments.shell.quote import Script
from deployments.shell.replace import (
    Backend,
    Replacement,
    let_former_go,
    prepare_image,
    recreate_service,
    remove_service,
    replace_service,
)
from deployments.shell.together import Member

DRAIN = 30
"""Seconds that requests in flight may still take on the old container."""


@dataclass(frozen=True)
class Steps:
    """Makes steps for one target on one host. `incoming` is where this run's files lie."""

    target: Target
    seen: Observation
    candidate: Candidate
    incoming: str
    keep: bool = False
    """Whether containers that served stay through the window after the release."""
    stopped: frozenset[str] = frozenset()
    """Services that an earlier step stops."""

    def install(self, release: str, changing: int) -> Step:
        """Files of a release, into effect."""
        script = files.install(self.incoming, release, self._edge)
        reason = f"Compose file, variables, secrets; {_count(changing)}"
        return ScriptStep("upload", reason, script=script)

    def restore(self, changing: int) -> Step:
        """Files of the release before, back into effect."""
        script = files.restore(self.incoming, self._edge)
        return ScriptStep("restore-files", f"as they were; {_count(changing)}", script=script)

    @property
    def _edge(self) -> str:
        edge = self.target.stack.deploy.edge
        return edge.service if edge else ""

    def pull(self, references: dict[str, str]) -> Step:
        """Images by digest; service to reference."""
        login = self.target.login(self.incoming)
        unique = list(dict.fromkeys(references.values()))
        script = images.pull(unique, f"release-{self.target.manifest.name}", login)
        reason = f"by digest: {', '.join(references)}"
        return ScriptStep("pull", reason, script=script, pulls=tuple(unique))

    def up(self, change: Change) -> Step:
        """A service with state or ports of its own."""
        if change.service.runs_once:
            return self._complete(change)
        script = recreate_service(self.replacement(change))
        return _of("start" if change.first else "recreate", change, script)

    def reload(self, edge: EdgeService) -> Step:
        """The edge's new configuration, with its requests in flight kept."""
        script = reload_edge(edge.service)
        behind = self.seen.edge_is_behind
        reason = "it has not read its configuration" if behind else "its configuration changed"
        return ScriptStep("reload", reason, service=edge.service, script=script)

    def replace(self, due: list[Change]) -> list[Step]:
        """Other containers for these services, side by side as far as they may be."""
        return [step for each in self.rounds.of(due) for step in self._round(each)]

    @property
    def rounds(self) -> Rounds:
        """How changes are divided into rounds."""
        after = self.target.stack.deploy.after
        alone = self.stop_first | self._doubled
        return Rounds(after, self.seen.memory_mb, alone, self.kept_services(), self._absent)

    @property
    def _doubled(self) -> set[str]:
        """Services of which an earlier run left two containers that run: both have their memory."""
        running = [c.service for c in self.seen.containers if c.state == "running"]
        return {name for name in running if running.count(name) > 1}

    @property
    def _absent(self) -> set[str]:
        """Services of which nothing serves until they are started."""
        serving = {c.service for c in self.seen.containers if c.serving} - self.stopped
        return {s.name for s in self.target.stack.ordered} - serving

    @property
    def stop_first(self) -> set[str]:
        """Services whose old container stops before the new one starts."""
        stop_first = {s.name for s in self.target.stack.ordered if not s.start_first}
        return stop_first | set(self.pauses())

    def _round(self, due: list[Change]) -> list[Step]:
        if not side_by_side(due, self.stop_first):
            return [self._replace(change) for change in due]
        switched = [self._replace(change, later=True) for change in self._in_turn(due)]
        members = [
            Member(self.replacement(c), self._backend(c.service)) for c in due if not c.first
        ]
        return [self._start_new(due), *switched, *([self._drain(members)] if members else [])]

    def _in_turn(self, due: list[Change]) -> list[Change]:
        """Stop-first services before the others: theirs is the one start that is not proven yet.

        Where one fails, no request has met the new release; and its log is watched while the others
        change places. Users who are served by nobody meanwhile are not kept waiting for it.
        """
        last = self.stop_first - {c.service.name for c in due if c.first}
        if any(c.service.name in self._absent for c in due if c.service.name not in last):
            return due
        return sorted(due, key=lambda change: change.service.name not in last)

    def start_infrastructure(self, due: list[Change]) -> list[Step]:
        """What has no container yet and depends on nothing that has none, at the same time."""
        first = next(iter(self.rounds.of([c for c in due if c.first])), [])
        return [self._start(first, f"{_names(first)}: at the same time")] if len(first) > 1 else []

    def _start_new(self, due: list[Change]) -> Step:
        later = [c for c in due if not c.first and c.service.name in self.stop_first]
        names = _names([c for c in due if c not in later])
        reason = f"{names}: all healthy before a request is sent to one of them"
        return self._start(
            due, f"{reason}; {_names(later)}: created, not started" if later else reason
        )

    def _start(self, due: list[Change], reason: str) -> Step:
        members = [Member(self.replacement(c), self._backend(c.service)) for c in due]
        return ScriptStep("start-new", reason, script=together.start_together(members))

    @staticmethod
    def _drain(members: list[Member]) -> Step:
        names = ", ".join(member.what.service for member in members)
        bound = f", open requests within {DRAIN} s" if any(m.backend for m in members) else ""
        script = together.drain_together(members)
        return ScriptStep("drain", f"{names}: removed{bound}", script=script)

    def _replace(self, change: Change, *, later: bool = False) -> Step:
        """Another container for a service. later: what served is drained in another step."""
        if change.service.runs_once:
            return self._complete(change)
        what = self.replacement(change)
        script = replace_service(what, self._backend(change.service), later=later)
        if change.first:
            return _of("start", change, script)
        return _of("replace", change, script, "start first" if what.start_first else "stop first")

    def _backend(self, service: Service) -> Backend | None:
        """Where it is behind the edge; None for one that nobody reaches there."""
        edge = self.target.stack.deploy.edge
        if edge is None or service.name not in edge.routes:
            return None
        return Backend(edge.service, edge.routes[service.name].port, DRAIN)

    def prepare(self, due: list[Change]) -> list[Step]:
        """What new images do while the old containers run, so that less is left for their start."""
        wanted = self.target.stack.deploy.prepare
        steps: list[Step] = []
        for change in due:
            part = wanted.get(change.service.name)
            command = tuple(self.target.value(word) for word in part.command) if part else ()
            if part is None or change.first or not all(command):
                continue
            script = prepare_image(self.replacement(change), command, part.timeout)
            reason = f"its new image, while the old container runs: {part.timeout} s at most"
            name = change.service.name
            steps.append(ScriptStep("prepare", reason, service=name, script=script))
        return steps

    def _complete(self, change: Change) -> Step:
        """A container that runs to its end before those that wait for it start."""
        return _of("complete", change, complete(self.replacement(change)), "runs once")

    def let_go(self, due: list[Change]) -> list[Step]:
        """Containers of the release before, once the window is over; earlier runs' ones too."""
        edge = self.target.stack.deploy.edge
        if edge is None:
            return []
        services = set(read_former(self.seen.edge))
        services |= {c.service.name for c in due if not c.first} & self.kept_services()
        return [
            ScriptStep(
                "let-go", "the window is over", service=service.name,
                script=let_former_go(self._replacement(service, ""), backend),
            )
            for service in self.target.stack.ordered
            if service.name in services and (backend := self._backend(service))
        ]  # fmt: skip

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

    def remove_orphans(self) -> list[Step]:
        """Containers of services that the release no longer has."""
        gone = sorted({c.service for c in self.seen.long_running} - self.target.known_services)
        why = self.target.stack.left_out
        return [
            ScriptStep(
                "remove", why.get(name, "the Compose file no longer has it"), service=name,
                script=remove_service(name),
            )
            for name in gone
        ]  # fmt: skip

    def verify(self) -> Step:
        """The application, checked from outside and inside."""
        return VerifyStep("verify", "from outside, from inside, digest by digest")

    def bake(self) -> list[Step]:
        """Watching the new containers for a while, before they count as the release."""
        minutes = self.target.environment.bake_minutes
        reason = f"{minutes} min under watch: what fails meanwhile undoes the release"
        return [WatchStep("watch", reason, seconds=minutes * 60)] if minutes else []

    def pauses(self) -> dict[str, str]:
        """Start-first services that are replaced stop-first all the same, and why."""
        start_first = [s for s in self.target.stack.ordered if s.start_first]
        no_room = {
            s.name: "there is no free memory for two containers"
            for s in start_first
            if s.reservation_mb > self.seen.memory_mb and s.name not in self._doubled
        }
        return {**no_room, **{s.name: s.alone for s in start_first if s.alone}}

    def replacement(self, change: Change) -> Replacement:
        """The input of the scripts that replace a container."""
        return self._replacement(change.service, change.image)

    def _replacement(self, service: Service, image: str) -> Replacement:
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


def _of(kind: Kind, change: Change, script: Script, how: str = "") -> ScriptStep:
    """The step that makes a change of a service."""
    reason = f"{change.reason} ({how})" if how else change.reason
    return ScriptStep(
        kind, reason, service=change.service.name, details=change.details, script=script
    )


def _names(due: list[Change]) -> str:
    return ", ".join(change.service.name for change in due)


def _count(changing: int) -> str:
    if not changing:
        return "no container changes"
    return "1 service changes" if changing == 1 else f"{changing} services change"
