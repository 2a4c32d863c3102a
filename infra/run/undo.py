"""The way back of a run that failed: to the release before, with one error that names both."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.compose.stack import Stack
from deployments.errors import HomeguruError, Locked, StepFailed, in_state, sentence
from deployments.host.observation import Observation
from deployments.verbs import traits
from infra.machine.signals import shielded
from infra.run.executor import Executor, Planned
from infra.run.planning import Planning
from infra.run.run import Run


@dataclass(frozen=True)
class Undo:
    """Goes back to what ran before, under the lock of the run at work."""

    run: Run
    stack: Stack
    planning: Planning
    executor: Executor

    def after(self, planned: Planned, failure: BaseException) -> BaseException:
        """Go back to the release before and record that; the error that tells both."""
        previous = planned.seen.current
        if not self.run.recorder.begun:
            return in_state(failure, f"runs {previous}, unchanged" if previous else "untouched")
        if isinstance(failure, Locked):
            return failure
        if traits(planned.plan.verb).works_beside:
            return self._left_alone(planned, failure)
        recorder = self.run.recorder
        with shielded():
            self.run.host.log(f"undoing: back to {previous or 'nothing'}")
            try:
                self._back(planned)
                plan, ledger = planned.plan, planned.seen.ledger
                self.executor.recorded(
                    "undone", lambda: recorder.record(plan, "undone", ledger, str(failure))
                )
            except Locked as taken:
                # Whoever has the environment now settles what this run began.
                return taken
            except Exception as second:
                return self._half_way(planned, failure, second)
        return in_state(failure, recorder.after_undo(previous))

    def way_back(self, release: str, seen: Observation, run: str, *, exchanged: bool) -> Planned:
        """The plan from an unfinished release to the one before, its files on the host."""
        back = self.planning.undo(release, seen, run, exchanged=exchanged)
        if seen.current is not None:
            self.executor.send(back)
        return back

    def _left_alone(self, planned: Planned, failure: BaseException) -> BaseException:
        """A backup and a drill change nothing, so that nothing is undone: the journal ends."""
        with shielded():
            try:
                self._still()
                self.run.recorder.close_own(planned.plan.release)
            except Locked as taken:
                return taken
            except Exception as second:
                self.run.host.log(f"the next run ends this one's journal: {sentence(second)}")
        return in_state(failure, f"runs {planned.plan.previous}, unchanged")

    def _still(self) -> None:
        """No command of this run is at work on the host any more."""
        host = self.run.host
        if not host.connected:
            host.reconnect()
        host.stop_work()

    def _back(self, planned: Planned) -> None:
        self._still()
        host, recorder = self.run.host, self.run.recorder
        seen = host.observe(self.stack)
        exchanged = any(s.key.traits.exchanges_database for s in recorder.steps)
        if seen.revision and not exchanged:
            # A migration whose answer was cut off may have been committed.
            recorder.changed_to(seen.revision)
        if traits(planned.plan.verb).switches_maintenance:
            self.executor.undo(self.planning.as_noted(seen))
            return
        release, run = planned.plan.release, host.actor.run
        self.executor.undo(self.way_back(release, seen, run, exchanged=exchanged))

    def _half_way(
        self, planned: Planned, failure: BaseException, second: Exception
    ) -> HomeguruError:
        both = f"{sentence(failure)}\nand the undo failed too: {sentence(second)}"
        host = self.run.host
        try:
            self.run.recorder.record(planned.plan, "failed", planned.seen.ledger, both)
        except Exception as third:
            host.log(f"the ledger could not be written: {sentence(third)}")
        return StepFailed(
            both, where=host.environment.ssh, state="between two releases; its journal says so",
            todo=f"correct the cause; then {planned.plan.again(host.environment.name)}: it undoes what is "
            "unfinished, then starts anew",
        )  # fmt: skip
