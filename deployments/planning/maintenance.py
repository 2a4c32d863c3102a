"""Maintenance on and off: the edge answers for every service, whose containers go on to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.compose.extension import EdgeService
from deployments.errors import Refused
from deployments.history.step_kind import Kind
from deployments.host.edge_answers import in_maintenance, with_maintenance, without_maintenance
from deployments.host.maintenance import AT, Maintenance, Switch
from deployments.host.observation import Observation
from deployments.image_name import digest_of
from deployments.planning.plan import Plan, ScriptStep, Step
from deployments.planning.target import Target
from deployments.shell import maintenance as shell
from deployments.shell.quote import Script

_KINDS: dict[Switch, Kind] = {Switch.on: "maintenance-on", Switch.off: "maintenance-off"}


def requested(switch: Switch) -> str:
    """What the journal keeps of what was asked for."""
    return f"maintenance {switch}"


def as_requested(request: str, seen: Observation) -> bool:
    """Whether the host's note already is as a run wanted it that never ended."""
    return request == requested(Switch.on if seen.maintenance else Switch.off)


@dataclass(frozen=True)
class MaintenancePlans:
    """Plans for one host. target: its current release.

    Only the rules go into the edge's file or out of it: what else a newer version would write there
    is the next release's business.
    """

    target: Target
    seen: Observation

    def plan(self, switch: Switch, reason: str, who: str) -> Plan:
        """The way to on or off; no steps where it is so already, unless the reason is another one."""
        self._must_have_an_edge()
        before = self.seen.maintenance
        note = f"maintenance is {before or 'off'}"
        if switch == Switch.off:
            steps = [self._off()] if before else []
        elif before is None:
            steps = [self._on(Maintenance(AT, who, reason))]
        elif reason and reason != before.reason:
            steps = [self._renewed(replace(before, reason=reason))]
        else:
            steps = []
        notes = [] if steps and before is None else [note]
        return self._made(steps, notes, reason)

    def as_noted(self) -> Plan:
        """The edge once more as the host's note says, whatever a run that failed left of it."""
        switch = Switch.on if self.seen.maintenance else Switch.off
        return self._made([self._switched(switch, "as before", then="")], [], "")

    def _made(self, steps: Sequence[Step], notes: Sequence[str], reason: str) -> Plan:
        images = self.target.images(self.seen)
        release = self.seen.current or ""
        return Plan(
            "maintenance", release, self.target.manifest.name, release, tuple(steps),
            unchanged=tuple((name, digest_of(image)) for name, image in images.items()),
            notes=tuple(notes), images=tuple(images.items()), reason=reason if steps else "",
            before=tuple((n, c.digest) for n in images for c in self.seen.of(n)[:1]),
        )  # fmt: skip

    def _on(self, noted: Maintenance) -> Step:
        about = f"every request is answered with 503{_because(noted.reason)}"
        return self._switched(Switch.on, about, then=shell.note(noted.to_json()))

    def _off(self) -> Step:
        return self._switched(Switch.off, "the services answer again", then=shell.FORGET)

    def _renewed(self, noted: Maintenance) -> Step:
        script = shell.note_again(noted.to_json())
        return _step(Switch.on, f"another reason{_because(noted.reason)}", script)

    def _switched(self, switch: Switch, about: str, then: str) -> Step:
        edge, on = self._edge, switch == Switch.on
        ports = sorted(route.listen for route in edge.routes.values())
        config = without_maintenance(self.seen.edge)
        config = with_maintenance(config) if on else config
        script = shell.switch_edge(edge.service, config, ports, on=on, then=then)
        return _step(switch, about, script)

    @property
    def _edge(self) -> EdgeService:
        edge = self.target.stack.deploy.edge
        assert edge is not None, "a plan for one without an edge is refused before"
        return edge

    def _must_have_an_edge(self) -> None:
        environment, edge = self.target.environment, self.target.stack.deploy.edge
        where, state = environment.ssh, f"runs {self.seen.current}, unchanged"
        if self.target.adopted:
            raise Refused(
                "release 0 was deployed by hand, and no edge of ours answers for it", where=where,
                state=state, todo=f"homeguru deploy newest --env {environment.name}: it brings the edge",
            )  # fmt: skip
        if edge is None or not in_maintenance(with_maintenance(self.seen.edge)):
            raise Refused(
                "the release that runs has no edge that could answer for its services, or its file on "
                "the server is none of ours", where=where, state=state,
                todo=f"homeguru deploy current --env {environment.name} writes that file again; where "
                "x-deploy has no `edge`, describe one, and deploy that",
            )  # fmt: skip
        if not any(c.serving for c in self.seen.of(edge.service)):
            raise Refused(
                f"the edge ({edge.service}) does not run, so nobody is answered at all",
                where=where, state=state, todo=f"homeguru deploy current --env {environment.name}: it starts it",
            )  # fmt: skip


def must_keep_maintenance(target: Target, seen: Observation) -> None:
    """Raise Refused for a release without an edge that could go on to answer."""
    if seen.maintenance is None or (target.stack.deploy.edge and not target.adopted):
        return
    name = target.environment.name
    raise Refused(
        f"maintenance is {seen.maintenance}, and release {target.manifest.name} has no edge of ours "
        "that would go on to answer", where=target.environment.ssh,
        state=f"runs {seen.current}, unchanged", todo=f"homeguru maintenance off --env {name}, then this again",
    )  # fmt: skip


def _step(switch: Switch, about: str, script: Script) -> Step:
    return ScriptStep(_KINDS[switch], about, script=script)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
