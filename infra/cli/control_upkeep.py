"""`homeguru control-plane status|upgrade|backup|restore`: a control plane that is up."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import layout
from infra.machine.paths import state_dir

if TYPE_CHECKING:
    from infra.control.plane import ControlPlane, Outcome
    from infra.control.status import Status

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Image = Annotated[str, typer.Option("--image", help="This image; default: of the checkout.")]
Identity = Annotated[Path, typer.Option("--identity", help="The private age key, a file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Though runs are at work: they are cut off.")]
Recipient = Annotated[
    str | None, typer.Option("--recipient", help="age1...: whom backups are for; it is kept.")
]


def say(text: str) -> None:
    """One line of progress."""
    layout.errors.print(f"  {text}", markup=False)


def existing_plane(recipient: str | None = None) -> ControlPlane:
    """The control plane that was put up from here; a recipient is checked and kept."""
    from infra.backups import age
    from infra.control.plane import ControlPlane
    from infra.control.settings import State

    state = State(state_dir() / "control-plane")
    settings = state.settings()
    if recipient:
        age.recipient(recipient)
        settings = replace(settings, recipient=recipient)
        state.keep(settings)
    return ControlPlane(state, settings, say)


def status(json: Json = False) -> None:
    """Containers, server, workers, memory, last backup; ends 1 when something is wrong."""
    from infra.control.status import status as plane_status

    report = plane_status(existing_plane())
    layout.as_json(report.as_dict()) if json else _show(report)
    if report.problems:
        raise typer.Exit(1)


def upgrade(
    image: Image = "",
    recipient: Recipient = None,
    backup: Annotated[bool, typer.Option(help="Back up before anything is changed.")] = True,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Bring it to another image: a backup, then the database, server and workers."""
    from infra.control import upkeep

    plane = existing_plane(recipient)
    outcome = upkeep.upgrade(plane, image, with_backup=backup, cut_off=yes)
    _show_outcome(outcome, json=json)


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write to.")] = None,
    recipient: Recipient = None,
    identity: Annotated[
        Path | None, typer.Option(help="The private age key: the backup is read back.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the database, encrypted by age, to a file that only its owner may read."""
    from infra.backups import age
    from infra.control import upkeep

    key = age.identity(identity) if identity else None
    written = upkeep.make_backup(existing_plane(recipient), to, key)
    if json:
        layout.as_json(asdict(written))
        return
    read = "read back to its end" if written.verified else "not read back: give --identity"
    rows = [("file", written.file), ("bytes", f"{written.bytes}"), ("sha256", written.sha256)]
    layout.pairs([*rows, ("checked", read)])
    layout.console.print(
        "Keep the encryption key apart from it: without it no Secret block is read."
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    identity: Identity,
    image: Annotated[str, typer.Option("--image", help="Run this image then.")] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put a backup in the database's place; runs that were at work then are ended."""
    from infra.backups import age
    from infra.control import upkeep

    key = age.identity(identity)
    outcome = upkeep.restore(existing_plane(), file, key, image, cut_off=yes)
    _show_outcome(outcome, json=json)


def _show_outcome(outcome: Outcome, *, json: bool) -> None:
    if json:
        layout.as_json(asdict(outcome))
        return
    for change in outcome.changes:
        layout.console.print(f"  {change}", markup=False)
    headline = "[green]done[/green]" if outcome.changes else "[green]nothing to do[/green]"
    layout.console.print(f"{headline} after {outcome.seconds:.1f} s")
    layout.pairs([("Prefect UI", outcome.url), ("backup", outcome.backup or "none")])


def _show(report: Status) -> None:
    workers = ", ".join(f"{pool}: {len(names)}" for pool, names in report.workers.items())
    last = report.backup
    rows = [
        ("Prefect UI", report.url), ("SSL_CERT_FILE", report.certificate or "not needed"),
        ("Prefect", report.version or "no answer"), ("image", report.image or "none"),
        ("workers online", workers or "unknown"), ("runs at work", str(report.runs_at_work)),
        ("last backup", f"{last.at} {last.file}" if last else "none"),
        ("memory", f"{report.memory / 2**20:.0f} MiB"),
    ]  # fmt: skip
    layout.pairs([*rows, *[("problem", text) for text in report.problems]])
    layout.console.print()
    layout.table(
        ["service", "state", "health", "memory", "restarts"],
        [
            [p.service, p.state, p.health or "-", f"{p.memory / 2**20:.0f} MiB", str(p.restarts)]
            for p in report.containers
        ],
    )


def register(app: typer.Typer) -> None:
    """Add the four to `homeguru control-plane`."""
    for command in (status, upgrade, backup, restore):
        app.command()(command)
