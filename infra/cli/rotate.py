"""`homeguru rotate`: another value of a secret, or another deploy key."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.environment.secret_kinds import DEPLOY_KEY
from deployments.errors import WrongUse
from infra.cli import completion, layout, show
from infra.cli.options import Approve, Env, Here, Json, Quiet
from infra.cli.printing import Printing
from infra.cli.run import run

if TYPE_CHECKING:
    from infra.environment.locate import Located

Secret = Annotated[
    str,
    typer.Argument(
        help="Name of a secret, or deploy-key.", show_default=False, autocompletion=completion.secrets
    ),
]  # fmt: skip
ValueFile = Annotated[
    str,
    typer.Option(
        "--value-file", metavar="FILE",
        help="Its new value; - reads standard input. Without it, one is made up or asked for.",
    ),
]  # fmt: skip
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="No other machine has the deploy key: end the former one now."
    ),
]


def rotate(
    env: Env, secret: Secret, value_file: ValueFile = "", yes: Yes = False, json: Json = False,
    quiet: Quiet = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Exchange a secret for a new one; nobody is refused meanwhile.

    The new value is written where the environment keeps it and given to what runs; then the former
    one ends. If that fails, everything is as it was before.
    """
    from infra.environment import locate

    located, printing = locate.load(env), Printing(json, quiet)
    if secret == DEPLOY_KEY:
        _check_here(here=here)
        _about_copies(located, printing, yes=yes)
    else:
        _value(located, secret, value_file, here=here)
    result = run("rotate", env, {"secret": secret}, printing=printing, here=here, approve=approve)
    printing.result(result, _key_shown if secret == DEPLOY_KEY else _value_shown)
    if secret != DEPLOY_KEY and not quiet:
        printing.questions.print(_copies(located, here=here), highlight=False, markup=False)


def _check_here(*, here: bool) -> None:
    """A worker's key is another file, or one that it cannot write."""
    from infra.cli.run import on_a_server

    if on_a_server(here=here):
        raise WrongUse(
            "the deploy key is a file of this machine, and PREFECT_API_URL names a server",
            state="untouched", todo="run it here with --here",
        )  # fmt: skip


def _value(located: Located, secret: str, file: str, *, here: bool) -> None:
    """Take the new value from a file or a person, where it is given; a parameter would be stored."""
    from infra.cli.run import on_a_server
    from infra.environment.context import assemble
    from infra.rotation.given import give
    from infra.rotation.new_value import check_name, makes_itself

    if file and on_a_server(here=here):
        raise WrongUse(
            "--value-file is for a run in this process, and PREFECT_API_URL names a server",
            state="untouched", todo="run it here with --here",
        )  # fmt: skip
    if file:
        give(secret, _read(file))
    elif not on_a_server(here=here):
        assembly = assemble(located.environment.name)
        check_name(assembly, secret)
        if sys.stdin.isatty() and not makes_itself(assembly, secret):
            give(secret, getpass.getpass(f"New value of {secret}: "))


def _read(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}",
            state="untouched", todo="name a file with the value and nothing else",
        ) from None  # fmt: skip
    if value := text.removesuffix("\n").removesuffix("\r"):
        return value
    raise WrongUse(f"{file} is empty", state="untouched", todo="write the new value into it")


def _about_copies(located: Located, printing: Printing, *, yes: bool) -> None:
    from infra.rotation.deploy_key import confirm_here

    def copied() -> bool:
        printing.questions.print(_copies_of_key(located), highlight=False, markup=False)
        return typer.confirm("End the former key now?", default=False, err=True)

    if yes:
        confirm_here(lambda: True)
    elif sys.stdin.isatty():
        confirm_here(copied)


def _copies(located: Located, *, here: bool) -> str:
    """How the other places get the new value: each of them would bring the former one back."""
    from infra.cli.run import on_a_server

    name, file = located.environment.name, located.environment.secrets.file
    kept = shlex.quote(str(located.beside(file))) if file else "FILE"
    if on_a_server(here=here):
        others = " and ".join([kept] * bool(file) + ["GitHub's HOMEGURU_SECRETS"])
        return f"Prefect's block has the new value, and no other copy: {others} would bring the former one back"
    return (
        "other copies, where there are any:\n"
        f"  gh secret set HOMEGURU_SECRETS --env {name} < {kept}\n"
        f"  gh workflow run sync-secrets.yml -f environment={name}    # then the control plane's"
    )


def _copies_of_key(located: Located) -> str:
    name, key = located.environment.name, shlex.quote(str(located.key_file))
    return (
        "the server accepts both keys; other copies, where there are any:\n"
        f"  gh secret set SSH_KEY --env {name} < {key}\n"
        "  homeguru control-plane up"
    )


def _value_shown(result: dict[str, Any]) -> None:
    if result.get("changed", True):
        show.deployed(result)
    else:
        layout.console.print("\n[green]done[/green]: no container reads it; the next run does")


def _key_shown(result: dict[str, Any]) -> None:
    for line in result["done"]:
        layout.console.print(line, highlight=False, markup=False)
    if len(result["done"]) == 1 and "refused" not in result["done"][0]:
        again = f"homeguru rotate deploy-key --env {result['environment']}"
        layout.console.print(f"the former one is accepted too; to end it: {again}", markup=False)
