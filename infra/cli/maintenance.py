"""`homeguru maintenance`: the edge answers for every service, or the services again."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli import show
from infra.cli.options import Approve, Env, Here, Json, Quiet
from infra.cli.printing import Printing
from infra.cli.run import run

maintenance = typer.Typer(
    no_args_is_help=True, help="Answer every request with a page; containers go on to run."
)


@maintenance.command("on")
def maintenance_on(
    env: Env,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for status and history; users do not see it.")
    ] = "",
    json: Json = False, quiet: Quiet = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Answer every request with 503 and a page, until off.

    Releases, rollbacks and restarts leave it on. Once more with another reason: only that changes.
    """
    parameters = {"state": "on", "reason": reason}
    printing = Printing(json, quiet)
    result = run("maintenance", env, parameters, printing=printing, here=here, approve=approve)
    printing.result(result, show.maintenance)


@maintenance.command("off")
def maintenance_off(
    env: Env, json: Json = False, quiet: Quiet = False, here: Here = False, approve: Approve = ""
) -> None:
    """Let the services answer again."""
    printing = Printing(json, quiet)
    result = run(
        "maintenance", env, {"state": "off"}, printing=printing, here=here, approve=approve
    )
    printing.result(result, show.maintenance)
