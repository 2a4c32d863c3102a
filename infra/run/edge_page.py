"""The status page at the edge, renewed after a release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from deployments.errors import HomeguruError, StepFailed, sentence
from deployments.history.deploys import Period
from deployments.history.metrics import manifest_files, read_created
from deployments.host.edge_answers import PAGE_MAP
from deployments.messages.status_page import DAYS, edge_page
from deployments.planning.plan import Step
from deployments.shell.status_page import renew_page
from deployments.verbs import traits
from infra.environment.context import Assembly
from infra.host.status import page_of
from infra.run.executor import Executor, Planned
from infra.run.run import Run


@dataclass(frozen=True)
class EdgePage:
    """Makes the page of what the host and its ledger say now, and gives it to the edge."""

    run: Run
    executor: Executor
    assembly: Assembly

    def renew(self, planned: Planned) -> None:
        """After what changed the release, where the environment has a path for it; what fails is said."""
        does, edge = traits(planned.plan.verb), planned.target.stack.deploy.edge
        path = planned.target.environment.edge.status_page
        if not path or edge is None or planned.target.adopted:
            return
        if not (does.replaces_release or does.heals):
            return
        step = Step("status-page", f"{path} at the edge")
        try:
            self.executor.perform(step, lambda: self._renew(edge.service, planned.plan.release))
        except HomeguruError as failure:
            self.run.host.log(f"the status page was not renewed: {sentence(failure)}")

    def _renew(self, edge: str, release: str) -> None:
        host = self.run.host
        # The lock that is seen is this run's own, which is over.
        seen = replace(host.observe(self.assembly.stack), locked=False)
        created = read_created(host.files(manifest_files(seen.ledger.lines)))
        page = page_of(self.assembly, seen, created, Period(datetime.now(UTC), DAYS))
        try:
            script = renew_page(edge, PAGE_MAP, edge_page(page))
        except ValueError as error:
            raise StepFailed(
                f"it is too big for the edge: {error}",
                todo=f"homeguru status-page --env {host.environment.name} --output status.html writes one of any size",
            ) from None
        self.run.recorder.afterwards("status-page", script, release)
