"""What each verb says of its result."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from deployments.host.maintenance import Maintenance
from deployments.image_name import digest_of, short
from deployments.text import plain
from deployments.verbs import traits
from infra.cli import layout
from infra.machine.sinks import clean

if TYPE_CHECKING:
    from deployments.database.backups import Backup
    from deployments.history.audit import AuditEntry
    from deployments.history.ledger import Line
    from deployments.history.metrics import DeliveryMetrics
    from deployments.planning.plan import Plan
    from infra.environment.locate import Located

_BEGAN = time.monotonic()
APART = 5
"""Seconds that a command may take besides its run without saying so."""


def read_from(located: Located) -> None:
    """Whose file a plan is made from: beside the document, so that stdout is the plan alone."""
    warning = "; a run on the Prefect server is refused where its worker's says otherwise"
    also = warning if os.environ.get("PREFECT_API_URL") else ""
    layout.errors.print(f"from {of_this_machine(located)}{also}", markup=False)


def of_this_machine(located: Located) -> str:
    """The environment's file here, with the digest that a run says of the file that it read."""
    return f"{located.file} on this machine, digest {located.digest}"


def plan(planned: Plan, to: Console | None = None) -> None:
    """What would be done, and why."""
    to = to or layout.console
    layout.pairs([*planned.way, *planned.lines()], to)
    count = len(planned.steps)
    fingerprint = f"Fingerprint {planned.fingerprint}."
    if count:
        to.print(f"\n[bold]{count} steps.[/bold] {fingerprint}")
    else:
        to.print(f"\n[bold]{planned.nothing}[/bold]\n{fingerprint}")


WIDTH = 80


def history(entries: list[AuditEntry], current: str | None) -> None:
    """Every run, newest last; the line that brought the current release is marked."""
    made_current = [n for n, e in enumerate(entries) if e.line and e.line.became(current)]
    for number, entry in enumerate(entries):
        mark = "*" if made_current and number == made_current[-1] else " "
        first, more = _line_rows(entry.line) if entry.line else _run_rows(entry)
        who = f"{entry.line.origin if entry.line else 'prefect'}, {entry.who}"
        layout.console.print(Text(f"{mark} ").append(first))
        subject = f"commit: {entry.subject}" if entry.subject else ""
        for text in [subject, who, *more, entry.note]:
            for line in textwrap.wrap(plain(text), WIDTH - 4):
                layout.console.print(f"    {line}", markup=False)


def _line_rows(line: Line) -> tuple[Text, list[str]]:
    """When, what and how it ended; then why."""
    first = Text.assemble(
        f"{_minute(line.at)}  {line.verb:<8}  {line.release:<32}  ",
        (line.outcome, "green" if line.outcome == "ok" else "red"), f"  {line.seconds:.0f} s",
    )  # fmt: skip
    rows = []
    if line.reason:
        step = traits(line.verb).switches_maintenance and line.steps
        rows.append(f"{line.steps[0].step if step else line.verb}: {line.reason}")
    if line.revision.after:
        rows.append(f"revision {line.revision.after}")
    if line.approval:
        rows.append(f"approved by {line.approval.who}: {line.approval.reason}")
    if line.problem:
        rows.append(f"{line.outcome}: {line.problem}")
    return first, rows


def _run_rows(entry: AuditEntry) -> tuple[Text, list[str]]:
    run = entry.run
    assert run is not None
    colour = "red" if run.state in ("FAILED", "CRASHED") else ""
    what = f"{_minute(entry.at)}  {run.verb:<8}  {'-':<32}  "
    return Text.assemble(what, (run.state.lower(), colour)), []


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")


def status(document: dict[str, Any], notes: list[str]) -> None:
    """One environment as it is now."""
    commit = str(document["commit"] or "none")[:12]
    head = [
        ("environment", str(document["environment"])),
        ("release", str(document["release"] or "none")),
        *(
            [("since", f"{_minute(document['since'])} UTC, by {document['by']}")]
            if document["since"]
            else []
        ),
        *(
            [("maintenance", _maintenance(document["maintenance"]))]
            if document["maintenance"]
            else []
        ),
        ("commit", commit),
        *_revision("database revision", document),
        *[(name, url) for name, url in sorted(document["urls"].items())],
        *[("note", note) for note in notes],
    ]
    layout.pairs(head)
    layout.console.print()
    rows = [
        [s["name"], s["state"], s["health"] or "-", short(s["digest"])]
        for s in document["services"]
    ]
    layout.table(["service", "state", "health", "digest"], rows)


def _revision(name: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The row of the database's revision; none where there is no database that is described."""
    revision = document["database_revision"]
    return [(name, str(revision))] if revision else []


def _maintenance(document: dict[str, str]) -> str:
    return str(Maintenance(document["since"], document["by"], document["reason"]))


def metrics(environment: str, found: DeliveryMetrics) -> None:
    """The delivery metrics of one environment."""
    layout.pairs([("environment", environment), ("period", str(found.period)), *found.rows()])


def backups(on_server: tuple[Backup, ...]) -> None:
    """Backups on the host, newest last."""
    header = ["backup", "release", "revision", "size", "tables", "rows", "why"]
    rows = [
        [
            b.id, b.release, b.revision or "-", size(b.bytes), str(len(b.contents.tables)),
            str(sum(t.rows for t in b.contents.tables.values())), b.reason,
        ]
        for b in on_server
    ]  # fmt: skip
    layout.table(header, rows)


def size(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count / 2**10:.0f} kB"


def deployed(summary: dict[str, Any]) -> None:
    """The end of a run."""
    if "changed" not in summary:
        # Its result is an artifact, which never decides how a run ends.
        layout.console.print("\n[green]done[/green]; the run's page tells more")
        return
    if not summary["changed"]:
        headline = "nothing to do"
        if traits(summary["verb"]).only_looks:
            headline = "all checks passed"
        layout.console.print(
            f"\n[green]{headline}[/green]: {summary['environment']} runs {summary['release']}"
        )
        return
    layout.console.print(f"\n[green]done[/green] in {_took(summary['seconds'])}")
    rows = [("release", str(summary["release"])), *_revision("revision", summary)]
    rows += [(name, url) for name, url in sorted(summary["urls"].items())]
    layout.pairs(rows)


def _took(seconds: float) -> str:
    """How long the run took; the whole command, too, where there was more, such as a build before it."""
    whole = time.monotonic() - _BEGAN
    more = f"; the whole command took {whole:.0f} s" if whole - seconds > APART else ""
    return f"{seconds:.1f} s{more}"


def maintenance(summary: dict[str, Any]) -> None:
    """The end of a run that switched maintenance, or found it as wanted."""
    if "changed" not in summary:
        deployed(summary)
        return
    if summary["changed"]:
        name, text = summary["steps"][0]["step"], f"in {summary['seconds']:.1f} s"
    else:
        name, text = "nothing to do", "; ".join(summary["notes"])
    layout.console.print(Text("\n").append(name, "green").append(f": {clean(text)}"))


def manifest(document: dict[str, Any]) -> None:
    """A published release: its name and the digests."""
    if "name" not in document:
        layout.console.print("\n[green]published[/green]; the run's page tells more")
        return
    layout.console.print(f"\n[green]published[/green] {document['name']}")
    rows = [
        [name, image["repository"], image["digest"]] for name, image in document["services"].items()
    ]
    layout.table(["service", "repository", "digest"], rows)


def demo(result: dict[str, Any]) -> None:
    """Where to look, after the demo came up."""
    layout.console.print()
    if not result["changed"]:
        layout.console.print("Nothing to do: the sandbox already runs this release.\n")
    rows = [("Prefect UI", result["ui"])]
    rows += [(name, url) for name, url in sorted(result["urls"].items())]
    rows += [("release", str(result["release"]))]
    rows += _revision("revision", result)
    rows += [(name, digest_of(ref)) for name, ref in result["images"].items()]
    rows += [("seconds", ", ".join(f"{name} {took:.0f}" for name, took in result["phases"]))]
    layout.pairs(rows)
    layout.console.print(
        f"\nTry: HOMEGURU_ENVIRONMENTS={result['environments']} {_program()} status --env sandbox"
    )


def _program() -> str:
    """How this command is called here: by its name where a shell finds it, else by its path."""
    return "homeguru" if shutil.which("homeguru") else sys.argv[0]
