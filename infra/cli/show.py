"""What the verbs print: aligned, short, coloured only on a terminal."""

from __future__ import annotations

import json
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
from infra.machine.sinks import clean

if TYPE_CHECKING:
    from deployments.database.backups import Backup
    from deployments.history.audit import AuditEntry
    from deployments.history.ledger import Line
    from deployments.history.metrics import DeliveryMetrics
    from deployments.planning.plan import Plan
    from infra.environment.locate import Located

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(data: Any) -> None:
    """One JSON document on stdout."""
    console.out(json.dumps(data, ensure_ascii=False), highlight=False)


_BEGAN = time.monotonic()
APART = 5
"""Seconds that a command may take besides its run without saying so."""
NARROW = 20
"""Columns below which a text is left to the terminal: broken so often, nobody could read it."""
_COLOURS = {"healthy": "green", "unhealthy": "red", "restarting": "red", "dead": "red"}
"""Of states in a table. A container that exited may have done its work."""


def pairs(rows: list[tuple[str, str]], to: Console | None = None) -> None:
    """Two aligned columns; a long value goes on below its beginning."""
    to = to or console
    rows = [(clean(name), clean(value)) for name, value in rows]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        for number, line in enumerate(_wrapped(value, width + 2, to)):
            to.print(f"{'' if number else name:<{width}}  {line}", markup=False)


def _wrapped(text: str, before: int, to: Console) -> list[str]:
    """Lines that fit next to `before` columns. Whole where no person looks: a program may search it."""
    room = to.width - before
    if not to.is_terminal or room < NARROW:
        return [text]
    wrapper = textwrap.TextWrapper(room, break_long_words=False, break_on_hyphens=False)
    return [line for part in text.split("\n") for line in wrapper.wrap(part) or [""]]


def read_from(located: Located) -> None:
    """Whose file a plan is made from: beside the document, so that stdout is the plan alone."""
    warning = "; a run on the Prefect server is refused where its worker's says otherwise"
    also = warning if os.environ.get("PREFECT_API_URL") else ""
    errors.print(f"from {of_this_machine(located)}{also}", markup=False)


def of_this_machine(located: Located) -> str:
    """The environment's file here, with the digest that a run says of the file that it read."""
    return f"{located.file} on this machine, digest {located.digest}"


def plan(planned: Plan, to: Console | None = None) -> None:
    """What would be done, and why."""
    to = to or console
    pairs([*planned.way, *planned.lines()], to)
    count = len(planned.steps)
    fingerprint = f"Fingerprint {planned.fingerprint}."
    if count:
        to.print(f"\n[bold]{count} steps.[/bold] {fingerprint}")
    else:
        to.print(f"\n[bold]{planned.nothing}[/bold]\n{fingerprint}")


def table(header: list[str], rows: list[list[str]]) -> None:
    """An aligned table without lines; a long last cell goes on below its beginning."""
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    console.print(_cells(header, widths, "bold"))
    for row in rows:
        for number, last in enumerate(_wrapped(row[-1], before, console)):
            cells = [*row[:-1], last] if not number else [*[""] * (len(row) - 1), last]
            console.print(_cells(cells, widths))


def _cells(cells: list[str], widths: list[int], style: str = "") -> Text:
    """One row; a state is coloured."""
    text = Text("  ").join(
        Text(f"{cell:<{width}}", style or _COLOURS.get(cell, ""))
        for cell, width in zip(cells, widths, strict=True)
    )
    text.rstrip()
    return text


WIDTH = 80


def history(entries: list[AuditEntry], current: str | None) -> None:
    """Every run, newest last; the line that brought the current release is marked."""
    made_current = [n for n, e in enumerate(entries) if e.line and e.line.became(current)]
    for number, entry in enumerate(entries):
        mark = "*" if made_current and number == made_current[-1] else " "
        first, more = _line_rows(entry.line) if entry.line else _run_rows(entry)
        who = f"{entry.line.origin if entry.line else 'prefect'}, {entry.who}"
        console.print(Text(f"{mark} ").append(first))
        subject = f"commit: {entry.subject}" if entry.subject else ""
        for text in [subject, who, *more, entry.note]:
            for line in textwrap.wrap(plain(text), WIDTH - 4):
                console.print(f"    {line}", markup=False)


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


def begin_again() -> None:
    """A page that replaces the one before on a terminal, and follows it elsewhere."""
    if console.is_terminal:
        console.clear()
    else:
        console.print()


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
    pairs(head)
    console.print()
    rows = [
        [s["name"], s["state"], s["health"] or "-", short(s["digest"])]
        for s in document["services"]
    ]
    table(["service", "state", "health", "digest"], rows)


def _revision(name: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The row of the database's revision; none where there is no database that is described."""
    revision = document["database_revision"]
    return [(name, str(revision))] if revision else []


def _maintenance(document: dict[str, str]) -> str:
    return str(Maintenance(document["since"], document["by"], document["reason"]))


def metrics(environment: str, found: DeliveryMetrics) -> None:
    """The delivery metrics of one environment."""
    pairs([("environment", environment), ("period", str(found.period)), *found.rows()])


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
    table(header, rows)


def size(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count / 2**10:.0f} kB"


def deployed(summary: dict[str, Any]) -> None:
    """The end of a run."""
    if "changed" not in summary:
        # Its result is an artifact, which never decides how a run ends.
        console.print("\n[green]done[/green]; the run's page tells more")
        return
    if not summary["changed"]:
        headline = "nothing to do"
        if traits(summary["verb"]).only_looks:
            headline = "all checks passed"
        console.print(
            f"\n[green]{headline}[/green]: {summary['environment']} runs {summary['release']}"
        )
        return
    console.print(f"\n[green]done[/green] in {_took(summary['seconds'])}")
    rows = [("release", str(summary["release"])), *_revision("revision", summary)]
    rows += [(name, url) for name, url in sorted(summary["urls"].items())]
    pairs(rows)


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
    console.print(Text("\n").append(name, "green").append(f": {clean(text)}"))


def manifest(document: dict[str, Any]) -> None:
    """A published release: its name and the digests."""
    if "name" not in document:
        console.print("\n[green]published[/green]; the run's page tells more")
        return
    console.print(f"\n[green]published[/green] {document['name']}")
    rows = [
        [name, image["repository"], image["digest"]] for name, image in document["services"].items()
    ]
    table(["service", "repository", "digest"], rows)


def demo(result: dict[str, Any]) -> None:
    """Where to look, after the demo came up."""
    console.print()
    if not result["changed"]:
        console.print("Nothing to do: the sandbox already runs this release.\n")
    rows = [("Prefect UI", result["ui"])]
    rows += [(name, url) for name, url in sorted(result["urls"].items())]
    rows += [("release", str(result["release"]))]
    rows += _revision("revision", result)
    rows += [(name, digest_of(ref)) for name, ref in result["images"].items()]
    rows += [("seconds", ", ".join(f"{name} {took:.0f}" for name, took in result["phases"]))]
    pairs(rows)
    console.print(
        f"\nTry: HOMEGURU_ENVIRONMENTS={result['environments']} {_program()} status --env sandbox"
    )


def _program() -> str:
    """How this command is called here: by its name where a shell finds it, else by its path."""
    return "homeguru" if shutil.which("homeguru") else sys.argv[0]
