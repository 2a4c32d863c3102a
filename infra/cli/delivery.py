"""`homeguru metrics` and `homeguru status-page`: how deploys went, for people who did not run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import layout, show
from infra.cli.assembled import assembled
from infra.cli.options import Env, Json, Output, check_output_file, writing

if TYPE_CHECKING:
    from pathlib import Path

    from deployments.history.deploys import Period

Days = Annotated[int, typer.Option("--days", min=1, max=3660, help="Days back from now.")]


def metrics(env: Env, days: Days = 90, json: Json = False) -> None:
    """Show how often, how fast and how well it deploys."""
    assembly = assembled(env)
    from infra.look.delivery import metrics_of

    period = _back_from_now(days)
    found, ledger = metrics_of(assembly, period, layout.errors.print)
    if broken := ledger.broken_at():
        edited = f"note  the ledger was edited: line {broken} does not fit the one before"
        layout.errors.print(edited, markup=False)
    name = assembly.located.environment.name
    shown = {"environment": name, **found.to_dict()}
    layout.as_json(shown) if json else show.metrics(name, found)


def status_page(env: Env, output: Output = None) -> None:
    """Write what runs and how deploys went as one HTML page."""
    check_output_file(output)
    assembly = assembled(env)
    from deployments.messages.status_page import DAYS
    from deployments.messages.status_page import status_page as written
    from infra.look.delivery import page_of

    text = written(page_of(assembly, _back_from_now(DAYS), layout.errors.print))
    if output is None:
        layout.console.out(text, end="", highlight=False)
    else:
        _write(output, text)


def _write(output: Path, text: str) -> None:
    """Whole or not at all: a web server may be reading it. It may also read it as another user."""
    from infra.machine.files import replace_file

    with writing(output):
        replace_file(output, text.encode(), 0o644)


def _back_from_now(days: int) -> Period:
    from datetime import UTC, datetime

    from deployments.history.deploys import Period

    return Period(datetime.now(UTC), days)
