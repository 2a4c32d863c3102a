"""The database's backups: made, listed, restored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli import completion, layout, show
from infra.cli.assembled import assembled
from infra.cli.options import Approve, Env, Here, Json, Quiet
from infra.cli.printing import Printing
from infra.cli.run import run

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="BACKUP", help="A backup's id, or newest.", autocompletion=completion.backups
    ),
]


def backup(env: Env, json: Json = False, quiet: Quiet = False, here: Here = False) -> None:
    """Back up the database on its server, and read that back."""
    printing = Printing(json, quiet)
    result = run("backup", env, {}, printing=printing, here=here)
    printing.result(result, show.deployed)
    if not (json or quiet):
        layout.console.print(f"homeguru backups --env {env} lists it", highlight=False)


def backups(
    env: Env,
    json: Json = False,
    copies: Annotated[
        bool, typer.Option("--copies", help="Those elsewhere (off_host) instead.")
    ] = False,
) -> None:
    """List the backups on the server, or copies elsewhere."""
    assembly = assembled(env)
    from infra.look import inspection

    if copies:
        ids = inspection.copies_of(assembly)
        layout.as_json(ids) if json else layout.console.print(
            "\n".join(ids) or "none", highlight=False
        )
        return
    on_server = inspection.backups_of(assembly, layout.errors.print)
    if json:
        layout.as_json([backup.model_dump() for backup in on_server])
    else:
        show.backups(on_server)


def fetch(
    env: Env,
    wanted: Annotated[
        str,
        typer.Argument(metavar="BACKUP", help="A backup's id.", autocompletion=completion.copies),
    ],
    identity: Annotated[
        Path | None, typer.Option("--identity", help="The private age key, a file.")
    ] = None,
) -> None:
    """Put a copy of a backup back on the server, checked.

    An encrypted copy is decrypted here, with --identity.
    """
    from infra.backups import age

    key = age.identity(identity) if identity else None
    assembly = assembled(env)
    from infra.look import inspection

    fetched = inspection.fetched(assembly, wanted, key, layout.errors.print)
    layout.console.print(f"backup {fetched.id} of release {fetched.release} is on the server again")


def drill(
    env: Env,
    wanted: Wanted = "newest",
    json: Json = False,
    quiet: Quiet = False,
    here: Here = False,
) -> None:
    """Test that a backup restores, beside the database."""
    printing = Printing(json, quiet)
    result = run("drill", env, {"backup": wanted}, printing=printing, here=here)
    printing.result(result, show.deployed)


def restore(
    env: Env,
    wanted: Wanted = "newest",
    json: Json = False,
    quiet: Quiet = False,
    here: Here = False,
    approve: Approve = "",
) -> None:
    """Replace the database with a backup; asks first.

    Lists, table by table, what was written since the backup and would be lost.
    """
    printing = Printing(json, quiet)
    result = run("restore", env, {"backup": wanted}, printing=printing, here=here, approve=approve)
    printing.result(result, show.deployed)
