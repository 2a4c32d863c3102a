"""What a run leaves in Prefect for people and for programs.

Artifacts never decide how a run ends: one that cannot be stored is said in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from deployments.errors import HomeguruError, Interrupted, as_dict
from deployments.messages.report import Report, plan_markdown, report_markdown, service_rows
from deployments.planning.plan import Plan
from deployments.release.manifest import Manifest
from deployments.verbs import traits
from infra.machine import signals
from infra.machine.sinks import clean, cleaned, harmless
from infra.orchestration.flow import presence
from infra.orchestration.flow.tasks import log


def leave_plan(environment: str, plan: Plan, read: str) -> None:
    """The plan, as a person approves it. read: whose file its environment was read from."""
    _markdown("plan", environment, plan_markdown(plan, read))


def leave_report(report: Report) -> None:
    """The services with their digests, and the whole report; of a look, its checks alone."""
    if traits(report.plan.verb).only_looks:
        _markdown("health", report.environment, report_markdown(report))
        return
    rows = service_rows(report.plan.images, dict(report.plan.before))
    _table("services", report.environment, rows, f"{report.title}, release {report.plan.release}")
    _markdown("report", report.environment, report_markdown(report))


def leave_images(environment: str, manifest: Manifest) -> None:
    """The images that were published."""
    images = tuple((n, f"{s.repository}@{s.digest}") for n, s in manifest.services.items())
    description = f"{manifest.name}, commit {manifest.commit[:12]} by {manifest.author}"
    _table("images", environment, service_rows(images, {}), description)


def leave_result(environment: str, result: dict[str, Any]) -> None:
    """How the run ended, for programs: its summary, or its error in four parts."""
    text = json.dumps(result, ensure_ascii=False, indent=1)
    _markdown("result", environment, f"```json\n{text}\n```\n")


@contextmanager
def outcome(environment: str) -> Iterator[None]:
    """Leave the error of a run that fails; who waits for it elsewhere tells it in full."""
    signals.begin_work()
    try:
        yield
    except HomeguruError as error:
        if isinstance(error, Interrupted) and not error.state:
            # Before anything was changed: an undo says by itself what it left.
            error.state = "unchanged"
        leave_result(environment, as_dict(cleaned(error)))
        raise
    except Exception as error:
        if (shown := harmless(error)) is error:
            raise
        raise shown from None


def _markdown(kind: str, environment: str, text: str) -> None:
    description = f"{kind} for {environment}"
    _stored(
        kind, lambda: create_markdown_artifact(clean(text), _key(kind, environment), description)
    )


def _table(kind: str, environment: str, rows: list[dict[str, str]], description: str) -> None:
    shown = [{name: clean(value) for name, value in row.items()} for row in rows]
    _stored(kind, lambda: create_table_artifact(shown, _key(kind, environment), clean(description)))


def _stored(kind: str, create: Callable[[], object]) -> None:
    try:
        presence.ask(create, None)
    except Exception as error:
        log(f"the {kind} artifact could not be stored: {type(error).__name__}")


def _key(kind: str, environment: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", f"{kind}-{environment}")
