"""Prefect around the work: every step a task run, every result an artifact.

This module, `vault.py` and `prefect_api.py` are the only ones here that know Prefect.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext

from deployments import report as reporting
from deployments.errors import HomeguruError, Unreachable
from deployments.manifest import Manifest
from deployments.plan import Step
from deployments.report import Report
from infra import actor, environments
from infra.assembly import Assembly, assemble
from infra.executor import Planned
from infra.host import Actor, Host
from infra.operation import Operation
from infra.progress import watcher
from infra.publishing import Publisher, find_manifest
from infra.source import staged
from infra.vault import Blocks

T = TypeVar("T")

EnvironmentName = StrEnum("EnvironmentName", {n: n for n in environments.names()})  # type: ignore[misc]
"""The form's choice: every environment that this process can find."""


class _Sentences(logging.Filter):
    """A person's mistake is told in its sentence, without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HomeguruError):
            record.exc_info = None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_Sentences())


def as_task(name: str, work: Callable[[], T], *, retries: int = 0) -> T:
    """Run `work` as a Prefect task run of that name.

    Effects are never served from a cache. A retry happens only when nothing answered,
    and only where the caller says that repeating is safe.
    """
    watcher().begin(name)
    begin = time.monotonic()

    @task(
        name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False,
        retries=retries, retry_delay_seconds=2, retry_condition_fn=_nothing_answered,
    )  # fmt: skip
    def run() -> T:
        with _logging():
            return work()

    problem = "interrupted"
    try:
        result: T = run()
        problem = ""
        return result
    except Exception as error:
        problem = str(error)
        raise
    finally:
        watcher().end(name, time.monotonic() - begin, problem)


def _nothing_answered(_: object, __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unreachable)


_loggers: list[Any] = []
"""Loggers of the runs at work, innermost last: output arrives on threads of its own."""


@contextmanager
def _logging() -> Iterator[None]:
    _loggers.append(get_run_logger())
    try:
        yield
    finally:
        _loggers.pop()


def _log(text: str) -> None:
    watcher().line(text)
    logger = _loggers[-1] if _loggers else get_run_logger()
    logger.info("%s", text)


def current_actor() -> Actor:
    """Who asked: the CLI's person, else what Prefect knows of the run."""
    run = str(runtime.flow_run.id)
    claimed = actor.claimed(run)
    if claimed:
        return claimed
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is not None and flow_run.auto_scheduled:
        return Actor("schedule", "schedule", run)
    creator = getattr(getattr(flow_run, "created_by", None), "display_value", None)
    return Actor(str(creator or "prefect"), "ui", run)


class FlowOperation:
    """What a flow says: find, observe, plan, carry out, each a task run."""

    def __init__(self, assembly: Assembly, host: Host, operation: Operation) -> None:
        self._assembly = assembly
        self._host = host
        self._operation = operation

    def find_release(self, wanted: str) -> Manifest:
        """The manifest by name, file, or the newest."""
        found = as_task(
            "find release",
            lambda: find_manifest(self._assembly.located, self._operation.registry, wanted),
            retries=2,
        )
        self._operation.targets.published(found)
        return found

    def lock_and_observe(self) -> None:
        """Take the lock, look, and undo what an earlier run left unfinished."""
        as_task("connect and lock", self._operation.lock, retries=2)
        self.seen = as_task("observe", self._operation.observe)
        if self.seen.unfinished:
            self.seen = self._operation.recover(self.seen)

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

    def plan_rollback(self, to: str) -> Planned:
        """Plan the way back to an earlier release of the host's ledger."""
        return self._planned(lambda: self._operation.planning.rollback(to, self.seen))

    def _planned(self, make: Callable[[], Planned]) -> Planned:
        planned = as_task("plan", make)
        for what, why in planned.plan.lines():
            _log(f"{what:<18} {why}")
        _markdown("plan", self._assembly, reporting.plan_markdown(planned.plan))
        return planned

    def carry_out(self, planned: Planned) -> dict[str, Any]:
        """Run the plan's steps and leave the report; returns its summary."""
        report = self._operation.carry_out(planned)
        leave_report(self._assembly, report)
        return reporting.summary(report)

    def verify(self) -> dict[str, Any]:
        """Verify what runs, as the ledger's current release says it should."""
        report = as_task("verify", self._operation.verify_current)
        leave_report(self._assembly, report)
        self._operation.raise_on_findings(report)
        return reporting.summary(report)


@contextmanager
def operation(verb: str, environment: str) -> Iterator[FlowOperation]:
    """One verb on one environment; the lock and the connection end with it."""
    assembly = as_task("read environment", lambda: assemble(environment, [Blocks(environment)]))
    configuration = assembly.configuration()
    host = Host(assembly.located, current_actor(), verb, _log)
    with assembly.registry() as registry:
        inner = Operation(assembly, configuration, host, registry, _perform)
        try:
            yield FlowOperation(assembly, host, inner)
        finally:
            host.close()


def _perform(step: Step, work: Callable[[], None]) -> None:
    as_task(step.name, work, retries=2 if step.repeatable else 0)


def publish_source(environment: str, source: Path, ref: str, *, allow_dirty: bool) -> Manifest:
    """Stage the source, build what changed, push, store the manifest."""
    assembly = as_task("read environment", lambda: assemble(environment, [Blocks(environment)]))
    with assembly.registry() as registry:
        publisher = Publisher(assembly.located, assembly.stack, registry, assembly.login(), _log)

        def publish() -> Manifest:
            ignores = publisher.dockerignores()
            with staged(source, ref, ignores, allow_dirty=allow_dirty, say=_log) as tree:
                return publisher.publish(tree)

        manifest = as_task("build and push", publish)
    rows = tuple((n, f"{s.repository}@{s.digest}") for n, s in manifest.services.items())
    create_table_artifact(
        reporting.service_rows(rows), key=_key("images", environment),
        description=f"{manifest.name}, commit {manifest.commit[:12]} by {manifest.author}",
    )  # fmt: skip
    return manifest


def leave_report(assembly: Assembly, report: Report) -> None:
    """The artifacts that a person opens: services with digests, and the whole report."""
    name = assembly.located.environment.name
    create_table_artifact(
        reporting.service_rows(report.plan.images), key=_key("services", name),
        description=f"{report.title}, release {report.plan.release}",
    )  # fmt: skip
    _markdown("report", assembly, reporting.report_markdown(report))


def _markdown(kind: str, assembly: Assembly, text: str) -> None:
    name = assembly.located.environment.name
    create_markdown_artifact(text, key=_key(kind, name), description=f"{kind} for {name}")


def _key(kind: str, environment: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", f"{kind}-{environment}")
