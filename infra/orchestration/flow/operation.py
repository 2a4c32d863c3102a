"""What a flow says of one environment: find, approve, lock, observe, plan, carry out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from deployments.database.backups import Reason
from deployments.database.choice import Choice
from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Locked, Refused
from deployments.health.alerts import Memory
from deployments.host.maintenance import Switch
from deployments.host.observation import Observation
from deployments.messages.notices import Asker
from deployments.messages.report import Report, check_lines, must_be_well, summary
from deployments.planning.plan import Plan, Step
from deployments.release.manifest import Manifest
from deployments.verbs import traits
from infra.environment import folders
from infra.environment.context import Assembly, assemble
from infra.host.actor import Actor
from infra.host.session import Host
from infra.host.watching import Look, Watcher
from infra.orchestration.flow import approval
from infra.orchestration.flow.artifacts import leave_plan, leave_report, leave_result, outcome
from infra.orchestration.flow.notifying import Notifier, page_of_run
from infra.orchestration.flow.slot import slot
from infra.orchestration.flow.tasks import as_task, log
from infra.orchestration.flow.vault import Blocks
from infra.orchestration.flow.who import compared, current_actor
from infra.rotation.kept import ended_with
from infra.run.executor import Planned
from infra.run.operation import Operation, operation_on

EnvironmentName = StrEnum("EnvironmentName", {n: n for n in folders.names()})  # type: ignore[misc]
"""The form's choice: every environment that this process can find.

A run is a process of its own, so that the next run knows an environment that was written later. The
form on a server offers it after `homeguru setup`.
"""


class FlowOperation:
    """One verb on one environment. What it holds ends with `resources`."""

    def __init__(self, assembly: Assembly, operation: Operation, resources: ExitStack) -> None:
        self.environment: Environment = assembly.located.environment
        self.notifier = Notifier(assembly)
        self._operation = operation
        self._run = operation.run
        self._slot = resources.enter_context(ExitStack())
        self._approved = self._wanted = self._told = ""
        self._asked: set[str] = set()

    @property
    def seen(self) -> Observation:
        """The last observation of the host."""
        return self._run.seen

    @property
    def actor(self) -> Actor:
        """Who asked for this run."""
        return self._run.host.actor

    @property
    def asker(self) -> Asker:
        """The same, for notices."""
        return self.notifier.by(self._run.host.actor)

    def find_release(self, wanted: str) -> Manifest:
        """The manifest by name, file, or the newest."""
        manifest = as_task(
            "find release",
            lambda: self._operation.find(wanted),
            retries=2,
        )
        self._operation.targets.published(manifest)
        self._wanted = manifest.name
        return manifest

    def agreed(self, make: Callable[[], Planned]) -> Planned:
        """The plan, made under the lock, with a person's yes where one is needed.

        The environment may ask for it always; what a plan does to the database may ask too.
        Nothing is held while somebody thinks: no lock, no connection. What runs is that plan.
        """
        if self.environment.approval:
            as_task("observe", self._operation.observe)
            if self.seen.unfinished:
                self._settle_first()
            self._approve(self._shown(make))
        self.lock_and_observe()
        planned = make()
        if set(planned.plan.asks) - self._asked:
            self._approve(planned.plan)
            self.lock_and_observe()
            planned = make()
        if self._approved or self.environment.approval:
            approval.must_be_the_same(self.environment, planned.plan, self._approved)
        return planned

    def _shown(self, make: Callable[[], Planned]) -> Plan:
        """The plan that a person sees, made under the lock only where it must start PostgreSQL."""
        if self.seen.current is None and self.seen.unread:
            self.lock_and_observe()
        plan = make().plan
        self._let_go()
        return plan

    def _settle_first(self) -> None:
        """End what never ended: it changes the plan, before somebody looks at one and not after."""
        try:
            self.lock_and_observe()
        except Locked:
            # It is at work, and may well have ended when the answer comes.
            log("another run works here: this is the plan as of now")
        self._let_go()
        as_task("observe", self._operation.observe)

    def _approve(self, plan: Plan) -> None:
        if not plan.changed:
            return
        self._let_go()
        minutes = self.environment.approval_minutes
        if approval.asks_here():
            log(f"plan {plan.fingerprint} needs approval, here or by --approve REASON")
        else:
            until = datetime.now(UTC) + timedelta(minutes=minutes)
            log(
                f"plan {plan.fingerprint} waits for approval until {until:%H:%M} UTC: {page_of_run()}"
            )
            self.notifier.send(lambda write: write.waits(plan, minutes, self.asker))
        try:
            decision = approval.approved(
                self.environment, plan, self.actor, self._run.host.read_from
            )
        except Refused as refusal:
            failure = refusal
            self.notifier.send(lambda write: write.not_approved(failure, self.asker))
            raise
        self._approved, self._asked = plan.fingerprint, set(plan.asks)
        self._run.approve(decision)
        log(f"approved by {decision.who}: {decision.reason}")
        self._let_go()

    def _let_go(self) -> None:
        """Lock, connection and the place in the queue."""
        self._run.host.close()
        self._slot.close()

    def lock_and_observe(self) -> None:
        """Take the lock, look, and settle what an earlier run left unfinished."""
        self._slot.enter_context(slot(self.environment, self._run.host.patience))
        as_task("connect and lock", self._operation.lock, retries=2)
        as_task("observe", self._operation.observe)
        if self.seen.unfinished:
            self._notify_of(self._operation.recover(self._wanted))
        self._operation.start_database()

    def _notify_of(self, ended: list[Report]) -> None:
        """Runs that died can tell nobody that their release is there after all."""
        for report in ended:
            leave_report(report)
            self._notify_done(report)

    def plan_release(self, manifest: Manifest, *, update_infrastructure: bool) -> Planned:
        """Plan the way to a published release."""
        target = self._operation.targets.published(
            manifest, update_infrastructure=update_infrastructure
        )
        return self._planned(lambda: self._operation.planning.deploy(target, self.seen))

    def plan_migration(self, manifest: Manifest) -> Planned:
        """Plan the migration alone."""
        target = self._operation.targets.published(manifest)
        return self._planned(lambda: self._operation.planning.migration(target, self.seen))

    def plan_rollback(self, to: str, database: Choice) -> Planned:
        """Plan the way back to an earlier release of the host's ledger."""
        return self._planned(lambda: self._operation.planning.rollback(to, self.seen, database))

    def plan_maintenance(self, switch: Switch, reason: str) -> Planned:
        """Plan to have the edge answer for every service, or no longer."""
        return self._planned(
            lambda: self._operation.planning.maintenance(switch, reason, self.seen)
        )

    def plan_rotation(self, secret: str) -> Planned:
        """Plan to give what runs another value of a secret."""
        return self._planned(lambda: self._operation.planning.rotation(secret, self.seen))

    def plan_adoption(self) -> Planned:
        """Plan to record what was deployed by hand."""
        return self._planned(lambda: self._operation.planning.adopt(self.seen))

    def plan_backup(self) -> Planned:
        """Plan a backup alone."""
        reason: Reason = "schedule" if self.actor.origin == "schedule" else "asked"
        return self._planned(lambda: self._operation.planning.backup(self.seen, reason))

    def plan_drill(self, backup: str) -> Planned:
        """Plan to restore a backup beside the database."""
        return self._planned(lambda: self._operation.planning.drill(backup, self.seen))

    def plan_restore(self, backup: str) -> Planned:
        """Plan to put a backup in the database's place."""
        return self._planned(lambda: self._operation.planning.restore(backup, self.seen))

    def _planned(self, make: Callable[[], Planned]) -> Planned:
        planned = as_task("plan", make)
        fingerprint = planned.plan.fingerprint
        if fingerprint == self._told:
            log(f"plan {fingerprint}, as above")
        else:
            for what, why in (*planned.plan.way, *planned.plan.lines()):
                log(f"{what:<20} {why}")
        # Made again after an approval, it is seldom another one.
        self._told = fingerprint
        leave_plan(self.environment.name, planned.plan, self._run.host.read_from)
        return planned

    def carry_out(self, planned: Planned) -> dict[str, Any]:
        """Run the plan's steps, leave the report and tell; returns its summary."""
        return self._ended(self._carried_out(planned))

    def _carried_out(self, planned: Planned) -> Report:
        try:
            report = self._operation.carry_out(planned)
        except HomeguruError as failure:
            report = self._operation.report_of_failure(planned, failure)
            failure.summary = summary(report)
            leave_report(report)
            raise
        leave_report(report)
        if planned.plan.changed and not traits(planned.plan.verb).works_beside:
            self._notify_done(report)
        if traits(planned.plan.verb).goes_on:
            assembly = self._operation.targets.assembly
            ended_with(assembly.located, assembly.secret_values)
        return report

    def _notify_done(self, report: Report) -> None:
        self.notifier.send(lambda write: write.done(report, self.asker))

    # -- looking --------------------------------------------------------------------

    def look(self, memory: Memory) -> Look:
        """Look at what runs, from outside and inside; changes nothing."""
        watcher = Watcher(self._run.host, self._operation.targets, memory)
        return as_task("look", watcher.look)

    def heal(self) -> None:
        """Deploy the current release again. It was approved when it became current."""
        try:
            self.lock_and_observe()
            planned = self._planned(lambda: self._operation.planning.heal(self.seen))
            self._carried_out(planned)
        finally:
            # The look that follows finds no lock, not even this run's own.
            self._run.host.close()

    def looked(self, look: Look) -> dict[str, Any]:
        """Leave what a look found; raises StepFailed when a check did not pass."""
        report = self._operation.report_of(look)
        leave_report(report)
        for line in check_lines(report):
            log(line)
        must_be_well(report, self.environment.ssh)
        return self._ended(report)

    def skipped(self, why: str) -> dict[str, Any]:
        """The summary of a scheduled run that did not take place."""
        return {"environment": self.environment.name, "outcome": "skipped", "why": why}

    def _ended(self, report: Report) -> dict[str, Any]:
        result = summary(report)
        leave_result(self.environment.name, result)
        return result


@contextmanager
def operation(
    verb: str, environment: str, by: str, configuration: str = ""
) -> Iterator[FlowOperation]:
    """One verb on one environment; the lock and the connection end with it.

    configuration: what the environment is where this was asked for, see environment_digest.
    """
    with outcome(environment), ExitStack() as resources:
        assembly = as_task("read environment", lambda: assemble(environment, [Blocks(environment)]))
        if configuration:
            assembly.located.check_as_requested(configuration)
        complete = assembly.configuration()
        host = Host(assembly.located, current_actor(by), verb, log)
        host.read_from = assembly.located.read_from(compared(host.actor, configuration))
        log(f"environment {environment} is read from {host.read_from}")
        registry = resources.enter_context(assembly.registry())
        resources.callback(host.close)
        inner = operation_on(assembly, complete, host, registry, _perform)
        on = FlowOperation(assembly, inner, resources)
        with on.notifier.failure_of(verb, lambda: host.actor):
            yield on


def _perform(step: Step, work: Callable[[], None]) -> None:
    as_task(step.name, work, retries=2 if step.repeatable else 0)
