"""What people read of a run: Markdown for Prefect's artifacts and for the host's copy."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.changes import digest_of
from deployments.ledger import Outcome, Revision, StepRecord
from deployments.plan import Plan
from deployments.verification import Finding


@dataclass(frozen=True)
class Report:
    """How a run ended. Times in seconds; `urls` by name."""

    environment: str
    plan: Plan
    outcome: Outcome
    steps: tuple[StepRecord, ...]
    findings: tuple[Finding, ...]
    revision: Revision
    seconds: float
    who: str
    run: str
    urls: dict[str, str]
    problem: str = ""

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
            "service": name, "image": reference.partition("@")[0], "digest": digest,
            "before": "same" if former == digest else former,
        })  # fmt: skip
    return rows


def plan_markdown(plan: Plan) -> str:
    """The plan as a person approves it."""
    head = f"# Plan: {plan.verb} {plan.manifest}\n\nFingerprint `{plan.fingerprint}`, "
    head += f"from `{plan.previous or 'nothing'}` to `{plan.release}`.\n"
    if not plan.changed:
        head += "\nNothing to do: the environment already runs this release.\n"
    rows = [f"| {_cell(what)} | {_cell(why)} |" for what, why in plan.lines()]
    return "\n".join([head, "| step | why |", "|---|---|", *rows, ""])


def report_markdown(report: Report) -> str:
    """The whole run: outcome first, then services, steps and checks."""
    parts = [f"# {report.title}\n"]
    if report.problem:
        parts.append(f"```\n{report.problem}\n```\n")
    revision = f"`{report.revision.before or 'none'}` to `{report.revision.after or 'none'}`"
    parts.append(
        f"Release `{report.plan.release}`, by {report.who}, {report.seconds:.1f} s, "
        f"database revision {revision}, run `{report.run}`.\n"
    )
    parts += [f"- {name}: {url}" for name, url in sorted(report.urls.items())]
    rows = [
        f"| {r['service']} | `{r['digest']}` | `{r['before']}` |"
        for r in service_rows(report.plan.images, dict(report.plan.before))
    ]
    parts += ["", "| service | digest | before |", "|---|---|---|", *rows]
    rows = [f"| {s.step} | {s.outcome} | {s.seconds:.1f} |" for s in report.steps]
    parts += ["", "| step | outcome | seconds |", "|---|---|---|", *rows]
    rows = [
        f"| {f.service} | {f.check} | {'ok' if f.ok else 'FAILED'} | {_cell(f.detail)} |"
        for f in report.findings
    ]
    parts += ["", "| service | check | result | detail |", "|---|---|---|---|", *rows, ""]
    return "\n".join(parts)


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
        "images": dict(report.plan.images),
        "urls": report.urls,
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
