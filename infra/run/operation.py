"""One verb on one environment: observe, plan, carry out, and undo what fails."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployments.compose.variables import Configuration
from deployments.errors import HomeguruError, Interrupted, Locked, StepFailed, in_state, sentence
from deployments.health.verification import failures, judge_containers
from deployments.history.ledger import Revision
from deployments.history.step_kind import StepKey
from deployments.host.observation import Observation
from deployments.messages.report import Report, must_be_well
from deployments.planning.adoption import by_hand
from deployments.planning.plan import Plan, Step
from deployments.planning.preflight import preflight
from deployments.release.adopted_record import NAME, RELEASE
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
from infra.machine.signals import shielded
from infra.publish.manifests import current_manifest, find_manifest
from infra.registry import Registry
from infra.run.executor import Executor, Perform, Planned
from infra.run.housekeeping import Housekeeping
from infra.run.migration_review import Judge
from infra.run.planning import Planning
from infra.run.recorder import Recorder
from infra.run.recovery import Recovery

CURRENT = "current"
"""The name of the release that runs, for whoever changed a variable."""


def _again(plan: Plan, environment: str) -> str:
    """The command that asks for the same once more, by name: `newest` may be another one by then."""
    does = traits(plan.verb)
    if does.returns:
        return f"homeguru rollback {plan.release} --env {environment}"
    if (does.goes_on or does.heals) and plan.manifest != NAME:
        return f"homeguru deploy {plan.manifest} --env {environment}"
    return "run the same command again"


class Operation:
    """Work on one host. `perform` is how a step is run."""

    def __init__(
        self, assembly: Assembly, configuration: Configuration, host: Host, registry: Registry,
        perform: Perform,
    ) -> None:  # fmt: skip
        self.environment = assembly.located.environment
        self.stack = assembly.stack
        self.targets = Targets(assembly, configuration, host)
        self.planning = Planning(host, self.targets, Judge(host, registry))
        self.host = host
        host.mask = Mask(assembly.hidden())
        self.registry = registry
        self.recorder = Recorder(host)
        self._executor = Executor(host, registry, self.recorder, perform)
        # Made first: what is wrong with it is told before anything is changed.
        copies = off_host(assembly.located, assembly.found_secrets)
        self._housekeeping = Housekeeping(host, self._executor, copies)
        self._recovery = Recovery(
            host, self.stack, self.planning, self._executor, self._housekeeping
        )  # fmt: skip

    # -- seeing ---------------------------------------------------------------------

    def lock(self) -> None:
        """Connect and take the lock."""
        migrate = self.stack.deploy.migrate
        self.host.open()
        self.host.lock(f"{self.environment.project}-{migrate.service}" if migrate else "")

    def observe(self) -> Observation:
        """Look at the host and check that it can take a release.

        The revision seen is the run's until a migration changes it.
        """
        self.host.open()
        seen = self.host.observe(self.stack)
        self.recorder.revision = Revision(before=seen.revision, after=seen.revision)
        preflight(self.environment, self.stack, seen, time.time(), self.host.verb)
        return seen

    def find(self, wanted: str) -> Manifest:
        """A release by file or name, the newest, or the one that runs."""
        located = self.targets.assembly.located
        if wanted == CURRENT:
            return current_manifest(located, self.observe())
        return find_manifest(located, self.registry, wanted)

    def with_database(self, seen: Observation) -> Observation:
        """Start a database that somebody stopped: without it nothing can be judged.

        What was deployed by hand is left alone, and one that does not start is the plan's matter.
        """
        part = self.stack.deploy.database
        found = seen.of(part.service) if part else []
        foreign = seen.current == RELEASE or by_hand(seen, self.environment.directory)
        if foreign or [c.state for c in found] != ["exited"]:
            return seen
        (container,) = found
        self.host.log(f"{container.service} is stopped: starting it")
        script = start_stopped(container.id, self.environment.healthy_within_of(container.service))
        after = self.recorder.closing(str(seen.current), "ok")
        step = StepKey("start-stopped", container.service)
        self.host.work(step, script, "begin", after=after)
        return self.observe()

    # -- carrying out ---------------------------------------------------------------

    def carry_out(self, planned: Planned) -> Report:
        """Run the plan. When a step fails, undo what ran and raise with both facts."""
        if not planned.plan.changed:
            return self._confirm(planned)
        if self.recorder.revision.before is None:
            # Where its data was looked into to plan, the observation did not know it yet.
            found = planned.seen.revision
            self.recorder.revision = Revision(before=found, after=found)
        self._executor.send(planned)
        try:
            self._executor.run(planned)
        except BaseException as failure:
            raise self._undo(planned, failure) from None
        return self._record(planned)

    def report_of_failure(self, planned: Planned, failure: HomeguruError) -> Report:
        """How a run that failed went: as it was recorded, or as far as it came."""
        return self.recorder.recorded or self.recorder.report(planned.plan, "failed", str(failure))

    def _confirm(self, planned: Planned) -> Report:
        """Nothing to change; still ask the application whether it is well."""
        if traits(planned.plan.verb).migrates_alone:
            # Whose migration it was need not be the release that runs.
            return self.recorder.report(planned.plan, "ok")
        target, seen, images = planned.target, planned.seen, dict(planned.plan.images)
        found = [
            *judge_containers(target, seen, images),
            *probes.ask_more(self.host, target, seen),
        ]
        # What is amiss at first sight gets the patience that a new container gets.
        self.recorder.findings = (
            probes.verify(self.host, target, images) if failures(found) else found
        )
        report = self.recorder.report(planned.plan, "ok")
        must_be_well(report, self.environment.ssh)
        return report

    def _record(self, planned: Planned) -> Report:
        plan, ledger = planned.plan, planned.seen.ledger
        revision = self.recorder.revision
        does = traits(plan.verb)
        unchanged = does.migrates_alone and revision.before == revision.after
        if unchanged or does.works_beside:
            self.recorder.close_own(plan.release)
            report = self.recorder.report(plan, "ok")
            self._housekeeping.after(planned)
            return report
        try:
            report = self._in_step(
                "ok", lambda: self.recorder.record(plan, "ok", ledger, current=does.names_release)
            )
        except HomeguruError as failure:
            raise StepFailed(
                failure.what, where=failure.where,
                state=f"runs {plan.release}, verified; whether its ledger says so is not known",
                todo=f"{_again(plan, self.environment.name)}: it first ends what was not recorded",
            ) from None  # fmt: skip
        self._housekeeping.after(planned)
        return report

    def _in_step(self, outcome: str, write: Callable[[], Report]) -> Report:
        """Record as a step of its own, so that the run's page shows it."""
        reports: list[Report] = []
        step = Step("record", f"in the ledger, as {outcome}")
        self._executor.perform(step, lambda: reports.append(write()))
        return reports[0]

    # -- undoing --------------------------------------------------------------------

    def _undo(self, planned: Planned, failure: BaseException) -> BaseException:
        """Go back to the release before and record that; the error that tells both."""
        previous = planned.seen.current
        if not self.recorder.begun:
            return in_state(failure, f"runs {previous}, unchanged" if previous else "untouched")
        if isinstance(failure, Locked):
            return failure
        if traits(planned.plan.verb).works_beside:
            return self._left_alone(planned, failure)
        with shielded():
            self.host.log(f"undoing: back to {previous or 'nothing'}")
            try:
                self._back(planned)
                plan, ledger = planned.plan, planned.seen.ledger
                self._in_step(
                    "undone", lambda: self.recorder.record(plan, "undone", ledger, str(failure))
                )
            except Locked as taken:
                # Whoever has the environment now settles what this run began.
                return taken
            except Exception as second:
                return self._half_way(planned, failure, second)
        return in_state(failure, self.recorder.after_undo(previous))

    def _left_alone(self, planned: Planned, failure: BaseException) -> BaseException:
        """A backup and a drill change nothing, so that nothing is undone: the journal ends."""
        with shielded():
            try:
                self._still()
                self.recorder.close_own(planned.plan.release)
            except Locked as taken:
                return taken
            except Exception as second:
                self.host.log(f"the next run ends this one's journal: {sentence(second)}")
        return in_state(failure, f"runs {planned.plan.previous}, unchanged")

    def _still(self) -> None:
        """No command of this run is at work on the host any more."""
        if not self.host.connected:
            self.host.reconnect()
        self.host.stop_work()

    def _back(self, planned: Planned) -> None:
        self._still()
        seen = self.host.observe(self.stack)
        run, release = self.host.actor.run, planned.plan.release
        exchanged = any(s.key.traits.exchanges_database for s in self.recorder.steps)
        if seen.revision and not exchanged:
            # A migration whose answer was cut off may have been committed.
            self.recorder.changed_to(seen.revision)
        self._executor.undo(self._recovery.way_back(release, seen, run, exchanged))

    def _half_way(
        self, planned: Planned, failure: BaseException, second: Exception
    ) -> HomeguruError:
        told = f"{sentence(failure)}\nand the undo failed too: {sentence(second)}"
        try:
            self.recorder.record(planned.plan, "failed", planned.seen.ledger, told)
        except Exception as third:
            self.host.log(f"the ledger could not be written: {sentence(third)}")
        return StepFailed(
            told, where=self.environment.ssh, state="between two releases; its journal says so",
            todo=f"correct the cause; then {_again(planned.plan, self.environment.name)}: it undoes what is "
            "unfinished, then starts anew",
        )  # fmt: skip

    def recover(self, seen: Observation, manifest: str = "") -> tuple[Observation, list[Report]]:
        """Settle what earlier runs left unfinished, and record that; then look again.

        manifest: what is to be deployed: a run that was on the way there is gone on with.
        Returns also how those ended.
        """
        ended = []
        for unfinished in seen.unfinished:
            try:
                report = self._recovery.settle(unfinished, seen, manifest)
            except Interrupted as stopped:
                raise in_state(stopped, "between two releases; its journal says so") from None
            if report:
                ended.append(report)
                self.planning.brought.add(unfinished.asked)
            self.recorder = self._executor.recorder = Recorder(self.host)
            seen = self.observe()
        return seen, ended

    # -- verifying ------------------------------------------------------------------

    def report_of(self, look: Look) -> Report:
        """A look as people read it, against the ledger's current release."""
        release = look.seen.current or "" if look.seen else ""
        images = look.target.images(look.seen) if look.target and look.seen else {}
        manifest = look.target.manifest.name if look.target else "what should run"
        plan = Plan("verify", release, manifest, release, (), images=tuple(images.items()))
        if look.seen:
            self.recorder.revision = Revision(before=look.seen.revision, after=look.seen.revision)
        self.recorder.findings = list(look.findings)
        failed = failures(self.recorder.findings)
        return self.recorder.report(plan, "failed" if failed else "ok", "\n".join(failed))
