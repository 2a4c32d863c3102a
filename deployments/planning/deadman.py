"""What a host does when its deployer falls silent: the undo, planned before it is needed."""

from __future__ import annotations

from dataclasses import replace

from deployments.environment.schema import Environment
from deployments.host.candidate import Candidate
from deployments.host.containers import Container
from deployments.host.observation import Observation
from deployments.planning.plan import Plan, ScriptStep
from deployments.planning.planner import Planner
from deployments.planning.request import PlanRequest
from deployments.planning.target import Target
from deployments.shell.deadman import FILES, arm, scripts
from deployments.shell.quote import Script


def way_back(
    plan: Plan, seen: Observation, former: Target, candidate: Candidate, run: str, *,
    passwords: bool = False,
) -> Planner:  # fmt: skip
    """Plans from wherever `plan` may have come to, back to the release that runs now.

    passwords: it may have changed the database's.
    """
    exchanged = any(s.key.traits.exchanges_database for s in plan.steps)
    anywhere = replace(
        seen, containers=_anywhere(plan, seen), aside=(), compose_file="",
        edge_unread=_unread(plan, seen),
    )  # fmt: skip
    request = PlanRequest(
        "undo", plan.release, FILES, unfinished=run, exchanged=exchanged, passwords=passwords
    )
    return Planner(request, former, anywhere, candidate)


def armed(plan: Plan, back: Plan, environment: Environment) -> Plan:
    """The plan with the way back in the host's own hands first."""
    if not _scripts(back):
        return plan
    reason = f"to {plan.previous}, by the server itself, {environment.confirm_timeout} s after its deployer falls silent"
    step = ScriptStep("arm", reason, script=arm(plan.incoming))
    return replace(plan, steps=(step, *plan.steps))


def files(back: Plan, environment: Environment) -> dict[str, str]:
    """What the host carries out, besides the files of the release that it goes back to."""
    return scripts(environment, _scripts(back))


def _scripts(back: Plan) -> list[Script]:
    return [step.script for step in back.script_steps]


def _unread(plan: Plan, seen: Observation) -> str:
    """The edge's containers, where the plan makes it read another file: by the way back, the former one."""
    reads = {step.service for step in plan.steps if step.key.traits.reloads_edge}
    edges = [c.id for c in seen.containers if c.service in reads]
    return " ".join([seen.edge_unread, *edges]).strip()


def _anywhere(plan: Plan, seen: Observation) -> tuple[Container, ...]:
    """Containers as if each that changes had changed: its replacement finds what is so."""
    unchanged = {name for name, _ in plan.unchanged}
    services = {c.service for c in seen.containers}
    changed = [
        c if c.service in unchanged else replace(c, config_hash="another release's")
        for c in seen.containers
    ]
    new = [
        Container(
            id=name, name=name, service=name, one_off=False, image="", ref=reference,
            state="running", health="", restarts=0, started="", config_hash="", digests=(),
        )
        for name, reference in plan.images
        if name not in services
    ]  # fmt: skip
    return (*changed, *new)
