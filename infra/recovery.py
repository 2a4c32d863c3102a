"""What an earlier run left unfinished: gone on with where its database is in use, else undone."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.errors import Locked, Refused, StepFailed, Unreachable, sentence
from deployments.journal import Unfinished
from deployments.observation import Observation
from deployments.plan import Plan
from deployments.resume import goes_on
from deployments.stack import Stack
from infra.executor import Executor, Planned
from infra.host import Host
from infra.housekeeping import Housekeeping
from infra.planning import Planning
from infra.recorder import kept_beside


@dataclass(frozen=True)
class Recovery:
    """Settles runs that never ended, under the lock of the run at work."""

    host: Host
    stack: Stack
    planning: Planning
    executor: Executor
    housekeeping: Housekeeping

    def settle(self, unfinished: Unfinished, seen: Observation) -> None:
        """Bring the host to one release, and record the run that could not do so itself."""
        never = f"run {unfinished.run} of {unfinished.at} never ended"
        users = [s.name for s in self.stack.database_users]
        if goes_on(unfinished, seen, users):
            self.host.log(f"{never}, and its database is in use: on to {unfinished.release} first")
            if self._went_on(unfinished, seen):
                return
            seen = self.host.observe(self.stack)
        self.host.log(f"{never} (release {unfinished.release}): undoing it first")
        self._undo(unfinished, seen)

    def way_back(self, release: str, seen: Observation, run: str) -> Planned:
        """The plan from an unfinished release to the one before, its files on the host."""
        back = self.planning.undo(release, seen, run)
        if seen.current is not None:
            self.executor.send(back)
        return back

    def _went_on(self, unfinished: Unfinished, seen: Observation) -> bool:
        """Whether it came to its release after all."""
        try:
            planned = self.planning.go_on(unfinished.release, seen)
            self.executor.send(planned)
            self.executor.run(planned, "begin")
        except (StepFailed, Refused) as failure:
            self._passable(failure)
            self.host.log(f"that cannot be gone on with: {sentence(failure)}")
            return False
        self.executor.recorder.close_other(unfinished, planned.plan, "ok", seen.ledger)
        self.housekeeping.after(planned)
        return True

    def _undo(self, unfinished: Unfinished, seen: Observation) -> None:
        try:
            self.executor.run(self.way_back(unfinished.release, seen, unfinished.run), "undo")
        except (StepFailed, Refused) as failure:
            self._passable(failure)
            # A release converges from any state: what cannot be undone can be replaced.
            self.host.log(f"that cannot be undone, so on from here: {sentence(failure)}")
        if beside := self.executor.recorder.beside:
            self.host.log(kept_beside(beside))
        manifest = unfinished.release.partition("-")[2]
        plan = Plan("undo", unfinished.release, manifest, seen.current, ())
        self.executor.recorder.close_other(unfinished, plan, "undone", seen.ledger)

    @staticmethod
    def _passable(failure: StepFailed | Refused) -> None:
        """A host that cannot be reached, or whose lock is gone, is no place to go on at."""
        if isinstance(failure, Unreachable | Locked):
            raise failure
