"""After a release: the copy of its backup elsewhere, and what the policy lets go."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.errors import HomeguruError, StepFailed, sentence
from deployments.planning import retention
from deployments.planning.plan import Plan, Step
from deployments.verbs import traits
from infra.backups.off_host import OffHost
from infra.run.edge_page import EdgePage
from infra.run.executor import Executor, Planned
from infra.run.run import Run


@dataclass(frozen=True)
class Housekeeping:
    """Nothing here makes a release fail that went well; what fails is said."""

    run: Run
    executor: Executor
    copies: OffHost | None
    page: EdgePage

    def after(self, planned: Planned) -> None:
        """Copy the backup that this run made, tidy, then tell everybody at the edge what runs."""
        self._copy(planned.plan, self.run.recorder.backup)
        self._tidy(planned)
        self.page.renew(planned)

    def _copy(self, plan: Plan, backup: str | None) -> None:
        """A deploy stays good when its copy fails: the next scheduled backup tells it louder."""
        store = self.copies
        if store is None or backup is None:
            return
        step = Step("copy-backup", f"to {store.store.where}")
        try:
            self.executor.perform(step, lambda: self.run.host.copy_out(store, backup))
        except HomeguruError as failure:
            if traits(plan.verb).backs_up_alone:
                raise StepFailed(
                    f"backup {backup} is on the server, and was not copied: {failure.what}",
                    where=failure.where, state=f"runs {plan.previous}, unchanged",
                    todo=failure.todo
                    or f"correct the cause, then: homeguru backup --env {self.run.host.environment.name}",
                ) from None  # fmt: skip
            self.run.host.log(f"backup {backup} was not copied: {sentence(failure)}")

    def _tidy(self, planned: Planned) -> None:
        recorder = self.run.recorder
        script = retention.tidy(planned.target, planned.seen, planned.plan, recorder.made)
        if script is None:
            return
        try:
            step = Step("tidy", "what the policy lets go")
            self.executor.perform(
                step, lambda: recorder.afterwards("tidy", script, planned.plan.release)
            )
        except HomeguruError as failure:
            self.run.host.log(f"not tidied: {sentence(failure)}")
