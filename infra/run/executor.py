"""Running steps: each under the work lock, journaled, and timed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployments.errors import StepFailed, Unreachable
from deployments.health.verification import failures, logs
from deployments.history.journal import Event
from deployments.host.observation import Observation
from deployments.host.script_results import Result, database_of, made_of, revision_of
from deployments.messages.report import Report
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.plan import Plan, ScriptStep, Step, WatchStep
from deployments.planning.planner import Planner
from deployments.planning.target import Target
from infra.host import probes
from infra.host.session import Host
from infra.run.pull_progress import following
from infra.run.run import Run

if TYPE_CHECKING:
    from infra.registry.api import Registry

Perform = Callable[[Step, Callable[[], None]], None]
"""Runs one step's work; a flow makes a Prefect task run of it."""

PACE = 10.0
"""Seconds between two looks of a bake window."""

AWAY = 60.0
"""Seconds after a bake window within which a host that was out of reach must be back."""

_TRANSIENT = re.compile(
    r"connection refused|i/o timeout|TLS handshake timeout|\b503 Service Unavailable"
    # The whole of an error, as Go prints it; other programs say EOF of input that is wrong for good.
    r"|(^|: )(unexpected )?EOF$",
    re.MULTILINE,
)
"""What Docker says of a registry or a network that may answer next time."""


@dataclass(frozen=True)
class Planned:
    """A plan and everything that it was made from."""

    plan: Plan
    planner: Planner

    @property
    def target(self) -> Target:
        return self.planner.target

    @property
    def seen(self) -> Observation:
        return self.planner.seen


@dataclass
class Executor:
    """Runs the steps of a plan on one host."""

    run: Run
    registry: Registry
    perform: Perform
    _started: float | None = None
    """When the last step ended that started what has a log to check, on the monotonic clock."""

    @property
    def _host(self) -> Host:
        return self.run.host

    def send(self, planned: Planned) -> None:
        """Bring the files that the plan's steps find on the host."""
        actor = self._host.actor
        self._host.send(planned.planner.files(planned.plan, actor.who, actor.run))

    def carry_out(self, planned: Planned) -> None:
        """Run every step; the first failure ends it."""
        for step in planned.plan.steps:
            self._perform(step, planned)

    def undo(self, planned: Planned) -> None:
        """Run every step of a way back; the first failure ends it."""
        for step in planned.plan.steps:
            self._perform(replace(step, undoes=True), planned)

    def _perform(self, step: Step, planned: Planned) -> None:
        begin = time.monotonic()
        outcome = "failed"
        try:
            self.perform(step, lambda: self._do(step, planned))
            outcome = "ok"
            if _starts_logged(step, planned.target):
                self._started = time.monotonic()
        finally:
            self.run.recorder.note(step, outcome, time.monotonic() - begin)

    def recorded(self, outcome: str, write: Callable[[], Report]) -> Report:
        """Record as a step of its own, so that the run's page shows it."""
        reports: list[Report] = []
        step = Step("record", f"in the ledger, as {outcome}")
        self.perform(step, lambda: reports.append(write()))
        return reports[0]

    def _do(self, step: Step, planned: Planned) -> None:
        """The work of one step; raises StepFailed with what the host said."""
        if not self._host.connected:
            self._host.reconnect()
        match step:
            case ScriptStep():
                self._run_script(step, planned)
            case WatchStep():
                self._watch(planned, step.seconds)
            case _:
                self._verify(planned)

    def _run_script(self, step: ScriptStep, planned: Planned) -> None:
        event: Event = "undo" if step.undoes else "begin"
        with (
            self._host.tunnel(self.registry, step.pulls),
            self._following(step, planned) as follow,
        ):
            before = self.run.recorder.opening(planned.plan.release, self.run.request)
            self.run.recorder.begun = True
            output = self._host.work(step.key, step.script, event, before, follow=follow)
            self.run.recorder.opened = True
        self._note(step, output.results, planned)
        if output.code != 0:
            raise self._failed(step, output.tail)

    def _following(
        self, step: ScriptStep, planned: Planned
    ) -> AbstractContextManager[Callable[[str], None] | None]:
        names = {reference: service for service, reference in reversed(planned.plan.images)}
        host = self._host.environment.pull_registry
        return following(self.registry, host, names, step.pulls)

    def _failed(self, step: Step, output: str) -> StepFailed:
        kind = StepFailed
        if step.repeatable and _TRANSIENT.search(output):
            kind = Unreachable
        return kind(f"{step.key.name} failed:\n{output}", where=self._host.environment.ssh)

    def _note(self, step: ScriptStep, results: tuple[Result, ...], planned: Planned) -> None:
        """What a step tells for the ledger: the revision now, the backup that it made."""
        for result in results:
            if result.kind not in step.results:
                continue
            if result.kind == "revision":
                self.run.recorder.changed_to(revision_of(result))
            elif result.kind == "backup":
                self.run.recorder.made = made_of(result)
                self._host.names.backed_up(self.run.recorder.made)
            else:
                name = DatabaseSteps(planned.target, planned.seen).on.name
                self.run.recorder.kept_database = database_of(result, name)
                self.run.recorder.changed_to(self.run.recorder.revision.before)

    def _watch(self, planned: Planned, seconds: int) -> None:
        """Look again and again; what crashed meanwhile is not well, though it came back."""
        end = time.monotonic() + seconds
        before = self._restarts(planned)
        while (remaining := end - time.monotonic()) > 0:
            time.sleep(min(PACE, remaining))
            while not self._still_well(planned, before, end + AWAY):
                time.sleep(PACE)

    def _still_well(
        self, planned: Planned, before: dict[str, tuple[str, int]], until: float
    ) -> bool:
        """One look; False where the host could not be reached, which says nothing of a release."""
        try:
            if not self._host.connected:
                self._host.reconnect()
            self._verify(planned)
            after = self._restarts(planned)
        except Unreachable as away:
            if time.monotonic() > until:
                raise
            self._host.log(f"cannot look for a moment: {away.what}")
            return False
        if crashed := [s for s in after if after[s] != before.get(s)]:
            raise StepFailed(
                f"crashed while it was watched: {', '.join(crashed)}",
                todo="correct what makes it crash; then publish again and deploy that",
            )
        return True

    def _restarts(self, planned: Planned) -> dict[str, tuple[str, int]]:
        """Service to its container and how often that was started again."""
        seen = self._host.observe(planned.target.stack)
        return {c.service: (c.id, c.restarts) for c in seen.long_running}

    def _verify(self, planned: Planned) -> None:
        wanted = dict(planned.plan.images)
        fresh = frozenset(wanted) - {name for name, _ in planned.plan.unchanged}
        self.run.recorder.findings = probes.verify(
            self._host, planned.target, wanted, fresh, self._started
        )
        failed = failures(self.run.recorder.findings)
        if failed:
            last = probes.last_words(self._host, self.run.recorder.findings)
            raise StepFailed(
                "verification failed: " + "; ".join(failed) + last,
                todo="correct what the checks and the last lines say; then publish again and deploy that",
            )


def _starts_logged(step: Step, target: Target) -> bool:
    """Whether it starts a service whose log is checked."""
    does = step.key.traits
    logged = {service for service, _ in logs(target)}
    return does.starts_all or (does.starts_service and step.key.service in logged)
