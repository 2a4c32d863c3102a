"""What a plan says besides its steps: what people notice, what is left out, what travels in clear."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.stack import Service
from deployments.host.candidate import Candidate
from deployments.host.edge import read_listen
from deployments.host.observation import Observation
from deployments.planning.changes import Change, unused_changes
from deployments.planning.database_plan import DatabasePlan
from deployments.planning.plan import Step, how_it_ended, notes_for
from deployments.planning.replacements import DRAIN, Replacements
from deployments.planning.roles_in_turn import refused_meanwhile
from deployments.planning.target import Target
from deployments.release.signature import notes_of
from deployments.verbs import Verb, traits


@dataclass(frozen=True)
class PlanNotes:
    """Sentences about one plan; `of()` is their order."""

    verb: Verb
    target: Target
    seen: Observation
    candidate: Candidate
    how: Replacements
    data: DatabasePlan

    def of(self, due: list[Change], steps: list[Step]) -> tuple[str, ...]:
        """Every note of a plan that makes these changes by these steps."""
        stateful = self.target.stack.deploy.stateful
        replaced = [c for c in due if c.service.name not in stateful]
        goes_forward = bool(steps) and traits(self.verb).goes_on
        return (
            *notes_for(due, self.how.pauses(), stateful, self._bounds()),
            *self._absences(replaced),
            *self._renamed(due, steps),
            *self.how.rounds.notes(replaced),
            *(f"{n} is left out: {why}" for n, why in self._left_out(steps)),
            *(self._changed_besides(due) if steps else []),
            *self._in_clear(),
            *self.data.notes(),
            *refused_meanwhile(self.target, self.candidate, {c.service.name for c in due}),
            *notes_of(self.target.manifest, self.seen.manifest),
            *(how_it_ended(self.seen.ledger, self.target.manifest.name) if goes_forward else []),
        )

    def _renamed(self, due: list[Change], steps: list[Step]) -> list[str]:
        """Routes that go to a service of another name, whose container is started after that of the former."""
        removed = {step.service for step in steps if step.key.traits.removes_service}
        edge = self.target.stack.deploy.edge
        routes = edge.routes if edge else {}
        listen = read_listen(self.seen.edge)
        first = {c.service.name for c in due if c.first}
        return [
            f"{old} is removed before {new} starts: until then the edge answers 503 on port {port}"
            for old, port in sorted(listen.items()) if old in removed
            for new, route in sorted(routes.items()) if new in first and route.listen == port
        ]  # fmt: skip

    def _changed_besides(self, due: list[Change]) -> list[str]:
        names = unused_changes(self.target, self.seen, self.candidate, due)
        note = f"changed too, and no service is replaced for it: {', '.join(names)}"
        return [note] if names else []

    def _left_out(self, steps: list[Step]) -> list[tuple[str, str]]:
        """What an environment has no service for; a step that removes it says so itself."""
        removed = {step.service for step in steps if step.key.traits.removes_service}
        left_out = self.target.stack.left_out.items()
        return [(name, why) for name, why in sorted(left_out) if name not in removed]

    def _in_clear(self) -> list[str]:
        services = self.target.in_clear
        note = f"what users send to {' and '.join(services)} travels unencrypted: [edge] domain gives TLS"
        return [
            *([note] if services and self.target.stack.deploy.routed else []),
            *self._open_beside_tls(),
        ]

    def _open_beside_tls(self) -> list[str]:
        """Ports of the edge that answer everybody unencrypted, though there is a domain."""
        edge, settings = self.target.stack.deploy.edge, self.target.environment.edge
        if edge is None or not settings.domain or self.target.closes_ports:
            return []
        published = self.target.stack.published(self.target.configuration.variables)
        ports = [str(port) for service, port in published if service == edge.service]
        advice = (
            "the release does not read [edge] listen" if settings.listen
            else '[edge] listen = "127.0.0.1" closes them'
        )  # fmt: skip
        note = f"beside https://{settings.domain} anybody may use port {' and '.join(ports)}, unencrypted: {advice}"
        return [note] if ports else []

    def _bounds(self) -> dict[str, str]:
        """Service behind the edge to when what is still open on its old container is cut."""
        kept_services, window = self.how.kept_services(), self.target.environment.bake_minutes
        return {
            n: f"{window} min" if n in kept_services else f"{DRAIN} s"
            for n in self.target.stack.deploy.routed
        }

    def _absences(self, due: list[Change]) -> list[str]:
        """Services that do nothing from the stop of one container until the next is ready."""
        apart = self.how.stop_first
        replaced = [
            c.service for c in due
            if not c.first and not c.service.runs_once and c.service.name in apart
        ]  # fmt: skip
        return [
            f"{s.name} does nothing while its container is replaced: {self._away(s)}"
            for s in replaced
        ]

    def _away(self, service: Service) -> str:
        """How long a replacement may take, and how long the last one took."""
        longest = self.target.environment.healthy_within_of(service.name) + service.stop_grace
        steps = [s for line in reversed(self.seen.ledger.lines) for s in line.steps]
        seconds = [
            s.seconds for s in steps
            if s.key.traits.replaces_service and s.key.service == service.name
            and s.outcome == "ok" and not s.undoes
        ]  # fmt: skip
        last = f"{seconds[0]:.0f} s the last time, " if seconds else ""
        return f"{last}{longest} s at most"
