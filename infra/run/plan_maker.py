"""How a plan is made, whatever the verb: Compose's hashes of the target from the host, then the way to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployments.compose.stack import Stack
from deployments.errors import WrongUse
from deployments.history.ledger import seq_of
from deployments.host.candidate import Candidate
from deployments.host.observation import Observation
from deployments.planning import deadman
from deployments.planning.maintenance import must_keep_maintenance
from deployments.planning.plan import Plan
from deployments.planning.planner import Planner
from deployments.planning.preflight import check_room
from deployments.planning.request import PlanRequest
from deployments.planning.roles_in_turn import in_turn, passwords_changed
from deployments.planning.target import Target
from deployments.shell.observe import SecretsSource, made_with
from deployments.verbs import traits
from infra.environment.compose_cli import stack_of
from infra.environment.freeze import frozen_now
from infra.host.session import Host
from infra.host.targets import Targets
from infra.run.executor import Planned

BACK = "/back"
"""Where the files of the way back lie, below a run's own."""


@dataclass(frozen=True)
class PlanMaker:
    """Makes plans for one host. Under its lock the files of the candidate stay for the steps."""

    host: Host
    targets: Targets

    def plan(self, target: Target, seen: Observation, request: PlanRequest) -> Planned:
        """The plan as it is carried out: with what a freeze asks, and with the dead-man switch."""
        planned = self._frozen(self.made(target, seen, request))
        if traits(request.verb).replaces_release and planned.plan.changed:
            return Planned(self._armed(planned, seen), planned.planner)
        return planned

    def _frozen(self, planned: Planned) -> Planned:
        """The plan, which somebody must approve in a freeze window of the environment."""
        plan = planned.plan
        why = frozen_now(self.host.environment)
        forward = traits(plan.verb).returns and seq_of(plan.release) > seq_of(plan.previous or "0")
        new = forward or traits(plan.verb).needs_approval_when_frozen
        if not (why and plan.changed and new):
            return planned
        return Planned(replace(plan, asks=(*plan.asks, why)), planned.planner)

    def made(self, target: Target, seen: Observation, request: PlanRequest) -> Planned:
        """The way to a target, and nothing besides."""
        mode: SecretsSource = traits(request.verb).secrets if self.host.locked else "discard"
        # Which role logs in is known of what is installed: asked for that, Compose is seldom asked twice.
        target = in_turn(target, seen, Candidate({}), request.verb)
        candidate = self._candidate(target, seen, mode)
        chosen = in_turn(target, seen, candidate, request.verb)
        if chosen != target:
            # Its containers log in as another role: what Compose said before is about others.
            target, candidate = chosen, self._candidate(chosen, seen, mode)
        planner = Planner(request, target, seen, candidate)
        if not traits(request.verb).undoes:
            must_keep_maintenance(target, seen)
        plan = planner.plan()
        if not traits(request.verb).undoes:
            check_room(self.host.environment, plan, seen)
        return Planned(plan, planner)

    def _armed(self, planned: Planned, seen: Observation) -> Plan:
        """The plan with the dead-man switch, where the environment has one."""
        plan, passwords = planned.plan, bool(passwords_changed(planned.planner.candidate))
        if not self.host.environment.confirm_timeout or seen.current is None:
            return plan
        former = self.targets.former(seen.current, pin=True)
        candidate = self._candidate(former, seen, "former" if self.host.locked else "discard", BACK)
        planner = deadman.way_back(
            plan, seen, former, candidate, self.host.actor.run, passwords=passwords
        )
        back = planner.plan()
        if self.host.locked:
            actor = self.host.actor
            files = planner.files(back, actor.who, actor.run)
            self.host.send({**files, **deadman.files(back, self.host.environment)}, BACK)
        return deadman.armed(plan, back, self.host.environment)

    def _candidate(
        self, target: Target, seen: Observation, mode: SecretsSource, below: str = ""
    ) -> Candidate:
        if target.adopted:
            services = target.adopted.services.items()
            return Candidate({name: service.config_hash for name, service in services})
        candidate = self.host.candidate(
            target.candidate_files(seen), mode, made_with(target.stack), below
        )
        return replace(candidate, before=_stack_before(target.stack, seen))


def _stack_before(stack: Stack, seen: Observation) -> Stack | None:
    """The Compose file that the host has now, where a deploy of ours put it there."""
    if seen.compose_file == stack.text:
        return stack
    try:
        return stack_of(seen.compose_file, "compose.yml") if seen.compose_file else None
    except WrongUse:
        return None
