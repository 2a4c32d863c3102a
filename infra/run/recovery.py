"""What an earlier run left unfinished: gone on with where that is nearer or safer, else undone."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.stack import Stack
from deployments.errors import Locked, Refused, StepFailed, Unreachable, sentence
from deployments.history.journal import Unfinished
from deployments.history.ledger import Outcome
from deployments.host.observation import Observation
from deployments.messages.report import Report
from deployments.planning.maintenance import as_requested
from deployments.planning.plan import Plan
from deployments.planning.unfinished_runs import goes_on, may_be_gone_on_with
from deployments.verbs import traits
from infra.environment.freeze import frozen_now
from infra.machine.waiting import wait_until
from infra.run.executor import Executor
from infra.run.housekeeping import Housekeeping
from infra.run.planning import Planning
from infra.run.recorder import kept_database_note
from infra.run.run import Run
from infra.run.undo import Undo


@dataclass(frozen=True)
class Recovery:
    """Settles runs that never ended, under the lock of the run at work."""

    run: Run
    stack: Stack
    planning: Planning
    executor: Executor
    undo: Undo
    housekeeping: Housekeeping

    def settle(
        self, unfinished: Unfinished, seen: Observation, manifest: str = ""
    ) -> Report | None:
        """Bring the host to one release, and record the run that could not do so itself.

        manifest: what the run at work is to deploy, where it deploys. Returns how that run
        ended where it was gone on with: it cannot tell anybody itself.
        """
        never = f"run {unfinished.run} of {unfinished.at} never ended"
        if unfinished.harmless:
            self.run.host.log(f"{never}: it changed nothing")
            self.run.recorder.close_harmless(unfinished)
            return None
        if unfinished.switched_maintenance:
            self.run.host.log(f"{never}: the edge goes on as maintenance is noted")
            self._as_noted(unfinished, seen)
            return None
        users = [s.name for s in self.stack.database_users]
        seen = self._with_its_database(unfinished, seen)
        timeout = self.run.host.environment.confirm_timeout
        verb = self.run.host.verb
        wanted = may_be_gone_on_with(manifest, verb, unfinished, seen, timeout)
        if frozen_now(self.run.host.environment):
            # To go on would bring a release that nobody has approved now.
            wanted = ""
        if goes_on(unfinished, users, wanted):
            why = "its database is in use" if unfinished.exchanged else "its release is asked for"
            self.run.host.log(f"{never}, and {why}: on to {unfinished.release} first")
            if report := self._went_on(unfinished, seen):
                return report
            seen = self.run.host.observe(self.stack)
        self.run.host.log(f"{never} (release {unfinished.release}): undoing it first")
        self._undo(unfinished, seen)
        return None

    def _as_noted(self, unfinished: Unfinished, seen: Observation) -> None:
        """The note is a run's last act: the edge follows it, and what it says is how the run ended."""
        planned = self.planning.as_noted(seen)
        try:
            self.executor.carry_out(planned)
        except StepFailed as failure:
            self._passable(failure)
            # Every later plan brings the edge's file into agreement with the note.
            self.run.host.log(f"the edge does not: {sentence(failure)}")
        outcome: Outcome = "ok" if as_requested(unfinished.requested, seen) else "undone"
        self.run.recorder.close_other(unfinished, planned.plan, outcome, seen.ledger)

    def _with_its_database(self, unfinished: Unfinished, seen: Observation) -> Observation:
        """A database that was exchanged and just starts is given a minute to answer."""
        wanted = self.stack.deploy.database
        if not unfinished.exchanged or wanted is None:
            return seen

        def settled() -> bool:
            nonlocal seen
            starts = any(c.state in ("running", "restarting") for c in seen.of(wanted.service))
            if seen.database_bytes or not starts:
                return True
            seen = self.run.host.observe(self.stack)
            return bool(seen.database_bytes)

        wait_until(settled, 60, every=2)
        return seen

    def _went_on(self, unfinished: Unfinished, seen: Observation) -> Report | None:
        """How it came to its release after all; None where it did not."""
        try:
            planned = self.planning.go_on(unfinished.release, seen)
            self.executor.send(planned)
            self.executor.carry_out(planned)
        except (StepFailed, Refused) as failure:
            self._passable(failure)
            self.run.host.log(f"that cannot be gone on with: {sentence(failure)}")
            return None
        recorder = self.run.recorder
        report = recorder.close_other(unfinished, planned.plan, "ok", seen.ledger)
        self.housekeeping.after(planned)
        return report

    def _undo(self, unfinished: Unfinished, seen: Observation) -> None:
        run, exchanged = unfinished.run, unfinished.exchanged
        outcome: Outcome = "undone"
        problem = ""
        try:
            back = self.undo.way_back(unfinished.release, seen, run, exchanged=exchanged)
            self.executor.undo(back)
        except (StepFailed, Refused) as failure:
            self._passable(failure)
            self._replaceable(unfinished, failure)
            # A release converges from any state: what cannot be undone can be replaced.
            outcome, problem = "failed", f"undoing it failed: {sentence(failure)}"
            self.run.host.log(f"that cannot be undone, so on from here: {sentence(failure)}")
        if exchanged:
            self.run.recorder.changed_to(self.run.host.observe(self.stack).revision)
        if beside := self.run.recorder.kept_database:
            self.run.host.log(kept_database_note(beside))
        manifest = unfinished.release.partition("-")[2]
        plan = Plan("undo", unfinished.release, manifest, seen.current, ())
        self.run.recorder.close_other(unfinished, plan, outcome, seen.ledger, problem)

    def _replaceable(self, unfinished: Unfinished, failure: StepFailed | Refused) -> None:
        """A database that lies beside is no release's to drop, and a backup replaces nothing."""
        if not unfinished.exchanged and traits(self.run.host.verb).converges:
            return
        beside = ", and the database of before may lie beside" if unfinished.exchanged else ""
        raise StepFailed(
            f"run {unfinished.run} cannot be undone: {sentence(failure)}",
            where=self.run.host.environment.ssh, state=f"between two releases{beside}",
            todo="mend the cause, then run the same command again: it undoes that run first",
        ) from None  # fmt: skip

    @staticmethod
    def _passable(failure: StepFailed | Refused) -> None:
        """A host that cannot be reached, or whose lock is gone, is no place to go on at."""
        if isinstance(failure, Unreachable | Locked):
            raise failure
