"""`homeguru control-plane account`: who may log in to the gateway."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deployments.errors import HomeguruError, WrongUse
from infra.cli import layout
from infra.cli.control_upkeep import existing_plane, say

account = typer.Typer(no_args_is_help=True, help="Accounts of the gateway: one a person.")


@account.command("add")
def add(
    name: str,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Add a person, or give an account a new password at once; it is printed once."""
    from infra.control.accounts import MACHINES

    plane = existing_plane()
    chosen = _from_stdin(name) if stdin else ""
    known = name in plane.accounts.names()
    password = plane.accounts.add(name, chosen)
    try:
        plane.refresh()
    except HomeguruError:
        # It is kept here already, and the next `up` brings it there: nobody may lose it.
        layout.console.print(
            "kept here, and not there yet: homeguru control-plane up", markup=False
        )
        if not chosen:
            layout.console.print(f"password (shown once): {password}", markup=False)
        raise
    layout.console.print(f"{name} may do: {MACHINES.get(name, 'everything')}")
    if known:
        layout.console.print("every former password of it is refused from now on")
    if not chosen:
        layout.console.print(f"password (shown once): {password}", markup=False)


def _from_stdin(name: str) -> str:
    """One line; none of it would make a password, which nobody who pipes one expects."""
    if password := sys.stdin.readline().rstrip("\n"):
        return password
    raise WrongUse(
        "no password came on stdin", where=name, state="untouched",
        todo=f"see what the command before it says; or have one made: homeguru control-plane account add {name}",
    )  # fmt: skip


@account.command("rotate")
def rotate(
    name: str,
    end: Annotated[bool, typer.Option("--end", help="End the former login.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --end: though nobody has used the new one.")
    ] = False,
) -> None:
    """Another login beside the one of now, printed once; `--end` ends the former one."""
    from infra.control import exchange

    plane = existing_plane()
    if end:
        say(f"{exchange.end(plane, name, unused_too=yes)} is refused from now on")
        return
    if yes:
        raise WrongUse(
            "--yes is for --end", where=name, state="untouched",
            todo=f"homeguru control-plane account rotate {name}",
        )  # fmt: skip
    login, password = plane.accounts.rotate(name)
    try:
        plane.refresh()
    except HomeguruError:
        say("kept here, and not there yet: homeguru control-plane up")
        _login(login, password)
        raise
    _login(login, password)
    former = plane.accounts.logins(name).former
    say(f"{former} is accepted as well, until the exchange ends. What to do:")
    if name in exchange.GITHUB:
        say("1. put the login where it is used; our workflows read it from GitHub's secret:")
        say(f"   gh secret set {exchange.GITHUB[name]}")
    else:
        say(f"1. log in as {login} from now on, everywhere")
    say(f"2. homeguru control-plane account rotate {name} --end")


def _login(login: str, password: str) -> None:
    """Alone on stdout, so that it can go into another command without being seen."""
    say("login, with its password (shown once):")
    layout.console.print(f"{login}:{password}", markup=False)


@account.command("remove")
def remove(name: str) -> None:
    """Remove a person's account."""
    from infra.control import exchange

    plane = existing_plane()
    if name not in plane.accounts.names():
        # It may have been removed here by a call that did not reach the gateway.
        exchange.bring(plane)
    plane.accounts.remove(name)
    exchange.bring(plane)


@account.command("list")
def shown() -> None:
    """Every account, what it may do, and whether its password is being exchanged."""
    from infra.control.accounts import MACHINES, Accounts
    from infra.control.settings import State
    from infra.machine.paths import state_dir

    accounts = Accounts(State(state_dir() / "control-plane"))
    rows = []
    for name in accounts.names():
        logins, may = accounts.logins(name), MACHINES.get(name, "everything")
        if logins.under_way:
            may += f" (in exchange: {logins.newest} takes the place of {logins.former})"
        elif name not in logins.hashes:
            may += f" (logs in as {logins.newest})"
        rows.append((name, may))
    layout.pairs(rows)
