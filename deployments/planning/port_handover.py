"""The first deploy over what was deployed by hand: ports move to the edge, data stays."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.host.observation import Observation
from deployments.planning.changes import Change
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.plan import ScriptStep, Step
from deployments.planning.steps import Steps
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE
from deployments.shell import takeover
from deployments.shell.quote import Script, join
from deployments.shell.replace import stop_service
from deployments.shell.takeover import Moved


@dataclass(frozen=True)
class TakeOver:
    """What a plan does otherwise while release 0 runs."""

    target: Target
    seen: Observation
    make: Steps

    @property
    def due(self) -> bool:
        """Whether the way from what was deployed by hand to a release of ours is planned."""
        return self.seen.current == RELEASE and self.target.adopted is None

    @property
    def moves_ports(self) -> bool:
        """Whether containers of the project hold ports that the edge, not there yet, wants."""
        edge = self.target.stack.deploy.edge
        return bool(self.due and edge and not self.seen.of(edge.service) and self._holders())

    def steps(self, due: list[Change]) -> list[Step]:
        """New containers next to the old ones, then the ports; due: all changes of the plan."""
        edge = self.target.stack.deploy.edge
        assert edge is not None
        moved = [c for c in due if c.service.name in edge.routes]
        (owner,) = [c for c in due if c.service.name == edge.service]
        parts = [self._moved(c) for c in moved]
        others = sorted(
            set(self._holders()) - {c.name for m in moved for c in self.seen.of(m.service.name)}
        )
        script = takeover.hand_over(self.make.how.of(owner), parts, others)
        ports = " and ".join(str(p) for p in sorted(self._ports() & set(self.seen.published)))
        reason = f"{ports} to {edge.service}: measured, how long they do not answer"
        beside = [
            ScriptStep(
                "start-beside", f"{c.reason} (beside the old one)", service=c.service.name,
                script=takeover.beside(self.make.how.of(c)), details=c.details,
            )
            for c in moved
        ]  # fmt: skip
        return [*beside, ScriptStep("hand-over", reason, script=script)]

    def free_ports(self, due: list[Change], *, back: bool) -> list[Step]:
        """Containers that hold what the edge is to publish stop before it starts.

        due: all changes of the plan. back: release 0 was to run, so whatever is behind the edge
        may hold a port, whether that was seen or is planned for a moment to come.
        """
        edge = self.target.stack.deploy.edge
        if edge is None or self.moves_ports:
            return []
        holders = set(self._holders())
        holding = {c.service for c in self.seen.containers if c.name in holders} - {edge.service}
        holding |= {c.service.name for c in due} & set(edge.routes) if back else set()
        stopped = [c.service for c in due if c.service.name in holding]
        if not stopped:
            return []
        texts = [stop_service(s.name, s.stop_grace).text for s in stopped]
        script = Script(join(*texts), timeout=sum(s.stop_grace for s in stopped) + 60)
        names = ", ".join(s.name for s in stopped)
        reason = f"{names}: {edge.service} publishes what they hold"
        return [ScriptStep("free-ports", reason, script=script)]

    def back_up(self) -> Step:
        """The backup before anything is changed."""
        return DatabaseSteps(self.target, self.seen).back_up("adoption")

    def database(self, change: Change) -> Step:
        """The database's container, made anew on the volume that is there."""
        script = takeover.up_bridged(self.make.how.of(change))
        return ScriptStep(
            "recreate", f"{change.reason}; its volume stays", service=change.service.name,
            script=script, details=change.details,
        )  # fmt: skip

    def _moved(self, change: Change) -> Moved:
        edge = self.target.stack.deploy.edge
        assert edge is not None
        route = edge.routes[change.service.name]
        names = {c.name for c in self.seen.of(change.service.name)}
        ports = [p for p, holder in self.seen.published.items() if holder in names]
        public = min(set(ports) & self._ports(), default=0)
        return Moved(self.make.how.of(change), route.port, public, route.health)

    def _ports(self) -> set[int]:
        """Ports that the edge publishes."""
        edge = self.target.stack.deploy.edge
        published = self.target.stack.published(self.target.configuration.variables)
        return {port for service, port in published if edge and service == edge.service}

    def _holders(self) -> list[str]:
        """Containers of this project that hold one of them."""
        ours = {c.name for c in self.seen.containers}
        wanted = self._ports()
        return [h for p, h in sorted(self.seen.published.items()) if p in wanted and h in ours]
