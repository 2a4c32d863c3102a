"""`homeguru history` and `homeguru audit`: who changed what, and how it ended."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING

import typer

from deployments.errors import HomeguruError, Refused
from infra.cli import layout, show
from infra.cli.assembled import assembled
from infra.cli.options import Env, Json, Output, check_output_in_place, writing

if TYPE_CHECKING:
    from deployments.history.audit import AuditEntry
    from deployments.history.ledger import Ledger

audit = typer.Typer(no_args_is_help=True, help="The audit log, joined and checked.")


def history(env: Env, json: Json = False) -> None:
    """List every run that changed something.

    Failed and undone ones too, with the reason that was given and the commit's subject.
    """
    entries, current, _ = _entries(env)
    if json:
        shown = [
            e.line.model_dump() | {"note": e.note, "subject": e.subject} for e in entries if e.line
        ]
        layout.as_json(shown)
    else:
        show.history(entries, current)


@audit.command("export")
def export(env: Env, output: Output = None) -> None:
    """Write one JSON line for each run: who, from where, releases, steps, outcome."""
    check_output_in_place(output)
    entries, _, _ = _entries(env)
    text = "".join(jsonlib.dumps(e.to_dict(), ensure_ascii=False) + "\n" for e in entries)
    if output is None:
        layout.console.out(text, end="", highlight=False)
    else:
        with writing(output):
            output.write_text(text)
        layout.errors.print(f"{len(entries)} entries in {output}")


@audit.command("verify")
def verify(env: Env) -> None:
    """Recompute the ledger's hash chain; compare it with what runs and with Prefect's history."""
    assembly = assembled(env)
    from infra.look import inspection

    ledger, current, running = inspection.audited_of(assembly, layout.errors.print)
    entries, _, broken = _joined(env, ledger, current)
    wrong = running + [f"{e.at} {_of(e)}: {e.note}" for e in entries if e.note]
    if broken:
        wrong.insert(0, f"line {broken} of the ledger does not fit the one before: it was edited")
    if wrong:
        raise Refused(
            "; ".join(wrong), where=env, state="unchanged",
            todo=f"homeguru history --env {env} shows all of it",
        )  # fmt: skip
    compared = sum(e.known == "both" for e in entries)
    layout.console.print(
        f"{len(entries)} entries, the chain holds, {compared} also known to Prefect"
    )


def _of(entry: AuditEntry) -> str:
    return entry.line.release if entry.line else (entry.run.page if entry.run else "")


def _entries(env: str) -> tuple[list[AuditEntry], str | None, int | None]:
    """Both sides joined, the current release, and where the chain breaks."""
    assembly = assembled(env)
    from deployments.history.audit import described_by
    from infra.look import inspection

    ledger, current, subjects = inspection.history_of(assembly, layout.errors.print)
    entries, current, broken = _joined(env, ledger, current)
    return described_by(entries, subjects), current, broken


def _joined(
    env: str, ledger: Ledger, current: str | None
) -> tuple[list[AuditEntry], str | None, int | None]:
    from deployments.history.audit import join
    from infra.orchestration.api.audit import runs_of
    from infra.orchestration.api.client import PrefectApi

    broken = ledger.broken_at()
    api = PrefectApi.from_environment()
    if api is None:
        return join(ledger.lines, None), current, broken
    try:
        api.first_contact()
        runs = runs_of(api, env, [line.run for line in ledger.lines])
    except HomeguruError as error:
        layout.errors.print(f"note  Prefect's history was not read: {error.what}", markup=False)
        return join(ledger.lines, None), current, broken
    finally:
        api.close()
    return join(ledger.lines, runs), current, broken
