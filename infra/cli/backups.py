"""The database's backups: made, listed, restored."""

from __future__ import annotations

from typing import Annotated

import typer

from infra import inspection
from infra.assembly import assemble
from infra.cli import show
from infra.cli.run import Approve, Env, Here, Json, run


def backup(env: Env, json: Json = False, here: Here = False) -> None:
    """Make a backup of the database on its server, and read it back."""
    found = run("backup", env, quiet=json, here=here)
    show.as_json(found) if json else show.deployed(found)


def backups(env: Env, json: Json = False) -> None:
    """List the backups on the server."""
    found = inspection.backups_of(assemble(env), show.errors.print)
    if json:
        show.as_json([backup.model_dump() for backup in found])
    else:
        show.backups(found)


def drill(
    env: Env,
    wanted: Annotated[
        str, typer.Argument(metavar="BACKUP", help="A backup's id, or newest.")
    ] = "newest",
    json: Json = False,
    here: Here = False,
) -> None:
    """Restore a backup beside the database, and drop it again: does it restore?"""
    found = run("drill", env, quiet=json, here=here, backup=wanted)
    show.as_json(found) if json else show.deployed(found)


def restore(
    env: Env,
    wanted: Annotated[
        str, typer.Argument(metavar="BACKUP", help="A backup's id, or newest.")
    ] = "newest",
    json: Json = False,
    here: Here = False,
    approve: Approve = "",
) -> None:
    """Put a backup in the database's place; says first what is lost, and asks."""
    found = run("restore", env, quiet=json, here=here, approve=approve, backup=wanted)
    show.as_json(found) if json else show.deployed(found)
