"""The page of a job: Markdown, short, what a person asks first at the top."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from deployments.errors import HomeguruError
from deployments.messages.report import service_rows
from deployments.planning.plan import Plan
from deployments.release.vulnerabilities import SEVERITIES, ReleaseScan
from deployments.text import Markdown, cell, code, escaped, fenced
from deployments.verbs import traits


def rows(source: object) -> list[dict[str, str]]:
    """Services with digests now and before: of a run's table artifact, or of its summary."""
    if isinstance(source, str):
        source = json.loads(source)
    if isinstance(source, list):
        return [dict(row) for row in source]
    if not isinstance(source, dict):
        return []
    images = tuple((n, str(i)) for n, i in source.get("images", {}).items())
    before = source.get("before")
    services = service_rows(images, before or {})
    return services if before is not None else [{**row, "before": "?"} for row in services]


def done(
    result: dict[str, Any], services: list[dict[str, str]], page: str, seconds: float
) -> str:  # fmt: skip
    """A verb that went well."""
    verb, environment = result.get("verb", "run"), result.get("environment", "")
    revision = result.get("database_revision")
    headline = "done" if result.get("changed") else "nothing to do"
    if traits(verb).only_looks:
        headline = "all checks passed"
    facts = [
        ("release", code(str(result.get("release")))),
        *([("database revision", code(str(revision)))] if revision else []),
        ("seconds", f"{result.get('seconds', 0):.1f}, with the button {seconds:.1f}"),
        *_run(page),
        *[(name, url) for name, url in sorted(result.get("urls", {}).items())],
    ]
    parts = [f"## {escaped(verb)} of {escaped(environment)}: {headline}", "", *_facts(facts)]
    if services:
        cells = [[r["service"], code(r["digest"][:19]), _before(r["before"])] for r in services]
        parts += ["", *_table(["service", "digest", "before"], cells)]
    steps = result.get("steps") or []
    if steps:
        took = [[s["step"], s["outcome"], f"{s['seconds']:.1f}"] for s in steps]
        parts += ["", *_table(["step", "outcome", "seconds"], took)]
    return "\n".join(parts)


def failed(verb: str, environment: str, error: HomeguruError, page: str) -> str:
    """A verb that did not; the text holds a container's last lines where one failed."""
    facts = [("server", error.state), ("next", error.todo), *_run(page)]
    where = [("where", error.where)] if error.where else []
    head = f"## {verb} of {environment or 'no environment'}: {_word(error)}"
    shown = [
        head,
        "",
        fenced(error.what, "text"),
        "",
        *_facts([*where, *(f for f in facts if f[1])]),
    ]
    return "\n".join(shown)


def planned(environment: str, plan: Plan, read: str) -> str:
    """What a deploy would do. read: whose file of the environment it was made from."""
    headline = f"{len(plan.steps)} steps" if plan.changed else "nothing to do"
    facts = [
        ("from", code(plan.previous or "nothing")), ("to", code(plan.release)),
        ("fingerprint", code(plan.fingerprint)), ("made from", read),
    ]  # fmt: skip
    steps = [[what, why] for what, why in plan.lines()]
    head = [f"## plan for {environment}: {headline}, nothing was changed", "", *_facts(facts)]
    return "\n".join([*head, "", *_table(["step", "why"], steps)])


def published(name: str, commit: str, images: list[dict[str, str]], seconds: float) -> str:
    """The images of a build."""
    cells = [[i["image"], code(i["tags"]), code(i["digest"]), i["size"]] for i in images]
    facts = [("commit", code(commit[:12])), ("seconds", f"{seconds:.1f}")]
    head = [f"## published {code(name)}", "", *_facts(facts)]
    return "\n".join([*head, "", *_table(["image", "tags", "digest", "size"], cells)])


def scanned(found: ReleaseScan) -> str:
    """Known vulnerabilities by image, and each of those that a person reads one by one."""
    head = f"## vulnerabilities of {code(found.release)}"
    header = ["image", *reversed(SEVERITIES), "with a fix"]
    parts = [head, "", *_table(header, [row[:-1] for row in found.rows()])]
    if named := [
        [v.id, v.severity, s.image.name, v.package, v.installed, v.fixed] for s, v in found.named()
    ]:
        parts += ["", *_table(["", "severity", "image", "package", "installed", "fixed in"], named)]
    return "\n".join([*parts, "", *(f"- {cell(note)}" for note in found.notes())])


def synced(environment: str, secrets: list[tuple[str, str, str]]) -> str:
    """Names of secrets, and what became of their blocks."""
    cells = [[name, code(block), what] for name, block, what in secrets]
    head = f"## secrets of {environment}"
    return "\n".join([head, "", *_table(["secret", "block", ""], cells)])


def _word(error: HomeguruError) -> str:
    return {2: "wrong input", 3: "refused"}.get(int(error.exit_code), "failed")


def _run(page: str) -> list[tuple[str, str]]:
    return [("run", Markdown(f"[log and steps in Prefect]({page})"))] if page else []


def _before(digest: str) -> str:
    return digest if digest in ("same", "none", "?") else code(digest[:19])


def _facts(facts: Sequence[tuple[str, str]]) -> list[str]:
    return [f"- {name}: {cell(value)}" for name, value in facts]


def _table(header: list[str], cells: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *[[cell(c) for c in row] for row in cells]]
    return ["| " + " | ".join(line) + " |" for line in lines]
