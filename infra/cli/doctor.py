"""doctor: what stands in a deploy's way, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from infra.cli import layout
from infra.cli.options import Env, Json
from infra.machine.imports import importing
from infra.machine.sinks import clean

if TYPE_CHECKING:
    from deployments.health.doctor import Diagnosis

_MARKS = {"ok": "[green]ok[/green]     ", "warning": "[yellow]warning[/yellow]", "wrong": "[red]wrong[/red]  "}  # fmt: skip


def doctor(env: Env, json: Json = False) -> None:
    """Look at everything a deploy needs, and say what mends it.

    This machine, the control plane, the server. Ends 1 when something is wrong.
    """
    with importing():
        from deployments.health.doctor import worst
        from infra.look.doctor import server, this_machine
        from infra.orchestration.setup.doctor import control_plane

    part = ""

    def tell(found: Diagnosis) -> None:
        nonlocal part
        if json:
            return
        if found.part != part:
            part = found.part
            layout.console.print(f"{part}")
        layout.console.print(
            f"  {_MARKS[found.verdict]}  {escape(found.name):<22} {escape(clean(found.what))}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        if found.todo:
            layout.console.print(
                f"           {'':<22} -> {escape(clean(found.todo))}",
                highlight=False,
                soft_wrap=True,
            )

    found = []
    for each in chain(this_machine(env), control_plane(env), server(env)):
        tell(each)
        found.append(each)
    if json:
        layout.as_json({"verdict": worst(found), "found": [asdict(each) for each in found]})
    if worst(found) == "wrong":
        raise typer.Exit(1)
