"""From a change to the step that makes it: the script, and the reason a person reads."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.extension import EdgeService
from deployments.history.step_kind import Kind
from deployments.host.edge import read_former
from deployments.host.observation import Observation
from deployments.planning.changes import Change
from deployments.planning.plan import ScriptStep, Step, VerifyStep, WatchStep
from deployments.planning.replacements import DRAIN, Replacements
from deployments.planning.rounds import side_by_side
from deployments.planning.target import Target
from deployments.shell import files, images, together
from deployments.shell.completion import complete
from deployments.shell.edge import reload_edge
from deployments.shell.quote import Script
from deployments.shell.replace import (
    let_former_go,
    prepare_image,
    recreate_service,
    remove_service,
    replace_service,
)
from deployments.shell.together import Member


@dataclass(frozen=True)
class Steps:
    """Makes steps for one target on one host. `incoming` is where this run's files lie."""

    how: Replacements
    incoming: str

    @property
    def target(self) -> Target:
        """What is to run."""
        return self.how.target

    @property
    def seen(self) -> Observation:
        """What runs there."""
        return self.how.seen

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
        script = recreate_service(self.how.of(change))
        return _of("start" if change.first else "recreate", change, script)

    def reload(self, edge: EdgeService) -> Step:
        """The edge's new configuration, with its requests in flight kept."""
        script = reload_edge(edge.service)
        behind = self.seen.edge_is_behind
        reason = "it has not read its configuration" if behind else "its configuration changed"
        return ScriptStep("reload", reason, service=edge.service, script=script)

    def replace(self, due: list[Change]) -> list[Step]:
        """Other containers for these services, side by side as far as they may be."""
        return [step for each in self.how.rounds.of(due) for step in self._round(each)]

    def _round(self, due: list[Change]) -> list[Step]:
        if not side_by_side(due, self.how.stop_first):
            return [self._replace(change) for change in due]
        switched = [self._replace(change, later=True) for change in self._in_turn(due)]
        members = [Member(self.how.of(c), self.how.backend(c.service)) for c in due if not c.first]
        return [self._start_new(due), *switched, *([self._drain(members)] if members else [])]

    def _in_turn(self, due: list[Change]) -> list[Change]:
        """Stop-first services before the others: theirs is the one start that is not proven yet.

        Where one fails, no request has met the new release; and its log is watched while the others
        change places. Users who are served by nobody meanwhile are not kept waiting for it.
        """
        last = self.how.stop_first - {c.service.name for c in due if c.first}
        if any(c.service.name in self.how.absent for c in due if c.service.name not in last):
            return due
        return sorted(due, key=lambda change: change.service.name not in last)

    def start_infrastructure(self, due: list[Change]) -> list[Step]:
        """What has no container yet and depends on nothing that has none, at the same time."""
        first = next(iter(self.how.rounds.of([c for c in due if c.first])), [])
        return [self._start(first, f"{_names(first)}: at the same time")] if len(first) > 1 else []

    def _start_new(self, due: list[Change]) -> Step:
        later = [c for c in due if not c.first and c.service.name in self.how.stop_first]
        names = _names([c for c in due if c not in later])
        reason = f"{names}: all healthy before a request is sent to one of them"
        return self._start(
            due, f"{reason}; {_names(later)}: created, not started" if later else reason
        )

    def _start(self, due: list[Change], reason: str) -> Step:
        members = [Member(self.how.of(c), self.how.backend(c.service)) for c in due]
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
        what = self.how.of(change)
        script = replace_service(what, self.how.backend(change.service), later=later)
        if change.first:
            return _of("start", change, script)
        return _of("replace", change, script, "start first" if what.start_first else "stop first")

    def prepare(self, due: list[Change]) -> list[Step]:
        """What new images do while the old containers run, so that less is left for their start."""
        wanted = self.target.stack.deploy.prepare
        steps: list[Step] = []
        for change in due:
            part = wanted.get(change.service.name)
            command = tuple(self.target.value(word) for word in part.command) if part else ()
            if part is None or change.first or not all(command):
                continue
            script = prepare_image(self.how.of(change), command, part.timeout)
            reason = f"its new image, while the old container runs: {part.timeout} s at most"
            name = change.service.name
            steps.append(ScriptStep("prepare", reason, service=name, script=script))
        return steps

    def _complete(self, change: Change) -> Step:
        """A container that runs to its end before those that wait for it start."""
        return _of("complete", change, complete(self.how.of(change)), "runs once")

    def let_go(self, due: list[Change]) -> list[Step]:
        """Containers of the release before, once the window is over; earlier runs' ones too."""
        edge = self.target.stack.deploy.edge
        if edge is None:
            return []
        services = set(read_former(self.seen.edge))
        services |= {c.service.name for c in due if not c.first} & self.how.kept_services()
        return [
            ScriptStep(
                "let-go", "the window is over", service=service.name,
                script=let_former_go(self.how.what(service, ""), backend),
            )
            for service in self.target.stack.ordered
            if service.name in services and (backend := self.how.backend(service))
        ]  # fmt: skip

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
