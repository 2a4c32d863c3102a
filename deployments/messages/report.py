"""What people read of a run: Markdown for Prefect's artifacts and for the host's copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.errors import StepFailed
from deployments.health.verification import CheckResult, failures
from deployments.history.ledger import Approval, Outcome, Revision, StepRecord
from deployments.history.step_kind import StepKey
from deployments.image_name import digest_of, without_tag
from deployments.planning.plan import Plan
from deployments.text import Markdown, cell, code, escaped, fenced


@dataclass(frozen=True)
class Report:
    """How a run ended. Times in seconds; `urls` by name."""

    environment: str
    plan: Plan
    outcome: Outcome
    steps: tuple[StepRecord, ...]
    findings: tuple[CheckResult, ...]
    revision: Revision
    seconds: float
    who: str
    run: str
    urls: dict[str, str]
    problem: str = ""
    at: str = ""
    """When it began, UTC."""
    link: str = ""
    approval: Approval | None = None
    backup: str | None = None
    read: str = ""
    """Whose file the environment was read from."""

    @property
    def title(self) -> str:
        words = {"ok": "done", "undone": "failed and undone", "failed": "failed"}
        return (
            f"{self.plan.verb} of {self.plan.manifest} to {self.environment}: {words[self.outcome]}"
        )


def service_rows(
    images: tuple[tuple[str, str], ...], before: dict[str, str]
) -> list[dict[str, str]]:
    """Rows of the table artifact; `before` is the digest that ran before, `same` if it stays."""
    rows = []
    for name, reference in images:
        digest, former = digest_of(reference), before.get(name, "none")
        rows.append({
            "service": name, "image": without_tag(reference), "digest": digest,
            "before": "same" if former == digest else former,
        })  # fmt: skip
    return rows


def plan_markdown(plan: Plan, read: str = "") -> str:
    """The plan as a person approves it. read: whose file its environment was read from."""
    head = f"# Plan: {plan.verb} {escaped(plan.manifest)}\n\nFingerprint {code(plan.fingerprint)}, "
    head += f"from {code(plan.previous or 'nothing')} to {code(plan.release)}.\n"
    if read:
        head += f"\nMade from {escaped(read)}.\n"
    if not plan.changed:
        head += f"\n{plan.nothing}\n"
    rows = [f"| {cell(what)} | {cell(why)} |" for what, why in plan.lines()]
    return "\n".join([head, "| step | why |", "|---|---|", *rows, ""])


def report_markdown(report: Report) -> str:
    """The whole run: outcome first, then what, who and when, the plan as it went, the way back."""
    parts = [f"# {escaped(report.title)}\n"]
    if report.problem:
        parts.append(fenced(report.problem) + "\n")
    services = [
        (r["service"], code(r["digest"]), code(r["before"]))
        for r in service_rows(report.plan.images, dict(report.plan.before))
    ]
    checks = [(f.service, f.check, "ok" if f.ok else "FAILED", f.detail) for f in report.findings]
    parts += [
        _table(("", ""), _about(report)),
        "## Plan\n", _table(("step", "why", "outcome", "seconds"), _steps(report)),
        "## Services\n", _table(("service", "digest", "before"), services),
        "## Checks\n", _table(("service", "check", "result", "detail"), checks),
    ]  # fmt: skip
    if way := _way_back(report):
        parts += ["## Way back\n", fenced(way, "sh") + "\n"]
    return "\n".join(parts)


def _about(report: Report) -> list[tuple[str, ...]]:
    """What, who and when."""
    plan, revision = report.plan, report.revision
    rows: list[tuple[str, ...]] = [
        ("release", _both(code(plan.release), ", after ", code(plan.previous or "nothing"))),
        (
            "when",
            f"{report.at}, {report.seconds:.1f} s" if report.at else f"{report.seconds:.1f} s",
        ),
        ("who", report.who),
    ]
    if report.read:
        rows.append(("environment", report.read))
    if report.approval:
        rows.append(("approved", f"by {report.approval.who}: {report.approval.reason}"))
    if revision.before or revision.after:
        moved = _both(code(revision.before or "none"), " to ", code(revision.after or "none"))
        rows.append(("database revision", moved))
    if report.backup:
        rows.append(("backup", code(report.backup)))
    link = escaped(report.link)
    rows.append(("run", _both(code(report.run), ", ", link) if link else code(report.run)))
    return [*rows, *sorted(report.urls.items())]


def _both(*parts: str) -> Markdown:
    """Parts that are Markdown already, as one cell."""
    return Markdown("".join(parts))


def _steps(report: Report) -> list[tuple[str, ...]]:
    """What was planned with how it went; then what the plan did not name, such as an undo."""
    went: dict[StepKey, list[StepRecord]] = {}
    for record in report.steps:
        if not record.undoes:
            went.setdefault(record.key, []).append(record)
    planned = {step.key for step in report.plan.steps}
    rows: list[tuple[str, ...]] = []
    for step in report.plan.steps:
        # A plan in several rounds has steps of the same name, in the order in which they were run.
        records = went.get(step.key, [])
        rows.append((step.name, step.reason, *_how(records.pop(0) if records else None)))
    rows += [(n, "unchanged", "", "") for n, _ in report.plan.unchanged]
    return rows + [(s.step, "", *_how(s)) for s in report.steps if s.undoes or s.key not in planned]


def _how(record: StepRecord | None) -> tuple[str, str]:
    """Outcome and seconds; empty for a step that was not come to."""
    return (record.outcome, f"{record.seconds:.1f}") if record else ("", "")


def _way_back(report: Report) -> str:
    """The command that goes back to what ran before; empty where nothing did, or nothing changed."""
    plan = report.plan
    if report.outcome != "ok" or not plan.changed or plan.previous in (None, plan.release):
        return ""
    restores = any(s.key.traits.changes_database for s in plan.steps)
    also = (
        f" # or with --database restore, see homeguru backups --env {report.environment}"
        if restores
        else ""
    )
    return f"homeguru rollback {plan.previous} --env {report.environment}{also}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(cell, row)) for row in rows)]
    return "".join(f"|{'|'.join(f' {c} ' if c != '---' else c for c in line)}|\n" for line in lines)


def check_lines(report: Report) -> list[str]:
    """The checks of a look, aligned, for a terminal and a run's log."""
    rows = [(f.service, f.check, "ok" if f.ok else "FAILED", f.detail) for f in report.findings]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
    return [
        "  ".join(
            [*(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)), row[3]]
        ).rstrip()
        for row in rows
    ]


def summary(report: Report) -> dict[str, object]:
    """A flow's result: small, stable keys, no secret."""
    return {
        "environment": report.environment,
        "verb": report.plan.verb,
        "release": report.plan.release if report.plan.changed else report.plan.previous,
        "changed": report.plan.changed,
        "outcome": report.outcome,
        "database_revision": report.revision.after,
        "seconds": report.seconds,
        "steps": [record.model_dump() for record in report.steps],
        "unchanged": [name for name, _ in report.plan.unchanged],
        "notes": list(report.plan.notes),
        "images": dict(report.plan.images),
        "urls": report.urls,
        "checks": [
            {"service": f.service, "check": f.check, "ok": f.ok, "detail": f.detail}
            for f in report.findings
        ],
    }


def must_be_well(report: Report, where: str) -> None:
    """Raise StepFailed, with the whole report, when a check of a look did not pass."""
    failed = failures(list(report.findings))
    if failed:
        name, release = report.environment, report.plan.previous
        error = StepFailed(
            "verification failed: " + "; ".join(failed), where=where,
            state=f"should run {release}; nothing was changed" if release else "not known",
            todo=f"homeguru logs SERVICE --env {name}; "
            f"homeguru deploy current --env {name} takes drift back",
        )  # fmt: skip
        error.summary = summary(report)
        raise error
