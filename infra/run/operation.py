"""One verb on one environment: observe, plan, carry out, and undo what fails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.compose.stack import Stack
from deployments.compose.variables import Configuration
from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Interrupted, StepFailed, in_state
from deployments.health.verification import check_containers, failures
from deployments.history.ledger import Revision
from deployments.history.step_kind import StepKey
from deployments.messages.report import Report, must_be_well
from deployments.planning.adoption import by_hand
from deployments.planning.plan import Plan
from deployments.planning.preflight import preflight
from deployments.release.adopted_record import RELEASE
from deployments.release.manifest import Manifest
from deployments.shell.replace import start_stopped
from deployments.verbs import traits
from infra.backups.off_host import off_host
from infra.environment.context import Assembly
from infra.host import probes
from infra.host.session import Host
from infra.host.targets import Targets
from infra.host.watching import Look
from infra.machine.output import Mask
from infra.publish.manifests import current_manifest, find_manifest
from infra.run.edge_page import EdgePage
from infra.run.executor import Executor, Perform, Planned
from infra.run.housekeeping import Housekeeping
from infra.run.migration_review import MigrationReview
from infra.run.planning import Planning
from infra.run.recorder import Recorder
from infra.run.recovery import Recovery
from infra.run.run import Run
from infra.run.undo import Undo

if TYPE_CHECKING:
    from infra.registry.api import Registry

CURRENT = "current"
"""The name of the release that runs, for whoever changed a variable."""


@dataclass(frozen=True)
class Operation:
    """Work on one host. Its parts share the run, and nothing else that changes."""

    run: Run
    targets: Targets
    planning: Planning
    executor: Executor
    undo: Undo
    recovery: Recovery
    housekeeping: Housekeeping

    @property
    def stack(self) -> Stack:
        """The environment's services."""
        return self.targets.assembly.stack

    @property
    def environment(self) -> Environment:
        """The environment that it is about."""
        return self.run.host.environment

    # -- seeing ---------------------------------------------------------------------

    def lock(self) -> None:
        """Connect and take the lock."""
        migrate = self.stack.deploy.migrate
        self.run.host.open()
        self.run.host.lock(f"{self.environment.project}-{migrate.service}" if migrate else "")

    def observe(self) -> None:
        """Look at the host and check that it can take a release.

        The revision seen is the run's until a migration changes it.
        """
        run = self.run
        run.host.open()
        seen = run.host.observe(self.stack)
        run.saw(seen)
        run.recorder.revision = Revision(before=seen.revision, after=seen.revision)
        preflight(self.environment, self.stack, seen, time.time(), run.host.verb)

    def find(self, wanted: str) -> Manifest:
        """A release by file or name, the newest, or the one that runs."""
        located = self.targets.assembly.located
        if wanted == CURRENT:
            self.observe()
            return current_manifest(located, self.run.seen)
        return find_manifest(located, self.executor.registry, wanted)

    def start_database(self) -> None:
        """Start a database that somebody stopped: without it no migration can be reviewed.

        What was deployed by hand is left alone, and one that does not start is the plan's matter.
        """
        part, seen, host = self.stack.deploy.database, self.run.seen, self.run.host
        containers = seen.of(part.service) if part else []
        foreign = seen.current == RELEASE or by_hand(seen, self.environment.directory)
        if foreign or [c.state for c in containers] != ["exited"]:
            return
        (container,) = containers
        host.log(f"{container.service} is stopped: starting it")
        script = start_stopped(container.id, self.environment.healthy_within_of(container.service))
        after = self.run.recorder.closing(str(seen.current), "ok")
        host.work(StepKey("start-stopped", container.service), script, "begin", after=after)
        self.observe()

    # -- carrying out ---------------------------------------------------------------

    def carry_out(self, planned: Planned) -> Report:
        """Run the plan. When a step fails, undo what ran and raise with both facts."""
        if not planned.plan.changed:
            return self._confirm(planned)
        if self.run.recorder.revision.before is None:
            # Where its data was looked into to plan, the observation did not know it yet.
            revision = planned.seen.revision
            self.run.recorder.revision = Revision(before=revision, after=revision)
        self.executor.send(planned)
        try:
            self.executor.carry_out(planned)
        except BaseException as failure:
            raise self.undo.after(planned, failure) from None
        return self._record(planned)

    def report_of_failure(self, planned: Planned, failure: HomeguruError) -> Report:
        """How a run that failed went: as it was recorded, or as far as it came."""
        return self.run.recorder.recorded or self.run.recorder.report(
            planned.plan, "failed", str(failure)
        )

    def _confirm(self, planned: Planned) -> Report:
        """Nothing to change; still ask the application whether it is well."""
        does = traits(planned.plan.verb)
        if does.migrates_alone or does.switches_maintenance:
            # Whose migration it was need not be the release that runs; and whether that is well is
            # nothing that maintenance waits for.
            return self.run.recorder.report(planned.plan, "ok")
        target, seen, images = planned.target, planned.seen, dict(planned.plan.images)
        findings = [
            *check_containers(target, seen, images),
            *probes.ask_more(self.run.host, target, seen),
        ]
        # What is amiss at first sight gets the patience that a new container gets.
        self.run.recorder.findings = (
            probes.verify(self.run.host, target, images) if failures(findings) else findings
        )
        report = self.run.recorder.report(planned.plan, "ok")
        must_be_well(report, self.environment.ssh)
        return report

    def _record(self, planned: Planned) -> Report:
        plan, ledger = planned.plan, planned.seen.ledger
        revision = self.run.recorder.revision
        does = traits(plan.verb)
        unchanged = does.migrates_alone and revision.before == revision.after
        if unchanged or does.works_beside:
            self.run.recorder.close_own(plan.release)
            report = self.run.recorder.report(plan, "ok")
            self.housekeeping.after(planned)
            return report
        try:
            report = self.executor.recorded(
                "ok",
                lambda: self.run.recorder.record(plan, "ok", ledger, current=does.names_release),
            )
        except HomeguruError as failure:
            raise StepFailed(
                failure.what, where=failure.where,
                state=f"runs {plan.release}, verified; whether its ledger says so is not known",
                todo=f"{plan.again(self.environment.name)}: it first ends what was not recorded",
            ) from None  # fmt: skip
        self.housekeeping.after(planned)
        return report

    def recover(self, manifest: str = "") -> list[Report]:
        """Settle what earlier runs left unfinished, and record that; then look again.

        manifest: what is to be deployed: a run that was on the way there is gone on with.
        Returns how those ended that were.
        """
        ended = []
        for unfinished in self.run.seen.unfinished:
            try:
                report = self.recovery.settle(unfinished, self.run.seen, manifest)
            except Interrupted as stopped:
                raise in_state(stopped, "between two releases; its journal says so") from None
            if report:
                ended.append(report)
                self.run.ended.add(unfinished.requested)
            self.run.record_anew()
            self.observe()
        return ended

    # -- verifying ------------------------------------------------------------------

    def report_of(self, look: Look) -> Report:
        """A look as people read it, against the ledger's current release."""
        release = look.seen.current or "" if look.seen else ""
        images = look.target.images(look.seen) if look.target and look.seen else {}
        manifest = look.target.manifest.name if look.target else "what should run"
        plan = Plan("verify", release, manifest, release, (), images=tuple(images.items()))
        if look.seen:
            self.run.recorder.revision = Revision(
                before=look.seen.revision, after=look.seen.revision
            )
        self.run.recorder.findings = list(look.findings)
        failed = failures(self.run.recorder.findings)
        return self.run.recorder.report(plan, "failed" if failed else "ok", "\n".join(failed))


def operation_on(
    assembly: Assembly, configuration: Configuration, host: Host, registry: Registry,
    perform: Perform,
) -> Operation:  # fmt: skip
    """An operation with its parts. perform: how a step is run."""
    host.mask = Mask(assembly.hidden())
    run, targets = Run(host, Recorder(host)), Targets(assembly, configuration, host)
    planning = Planning(run, targets, MigrationReview(host, registry))
    executor = Executor(run, registry, perform)
    undo = Undo(run, assembly.stack, planning, executor)
    # Made first: what is wrong with it is an error before anything is changed.
    copies = off_host(assembly.located, assembly.secret_values)
    housekeeping = Housekeeping(run, executor, copies, EdgePage(run, executor, assembly))
    recovery = Recovery(run, assembly.stack, planning, executor, undo, housekeeping)
    return Operation(run, targets, planning, executor, undo, recovery, housekeeping)
