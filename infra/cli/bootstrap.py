"""bootstrap: from a fresh machine to a host that a deploy accepts."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.errors import Refused
from infra.cli import layout
from infra.cli.options import Env, Json
from infra.cli.printing import Printing
from infra.machine import signals
from infra.machine.imports import importing

if TYPE_CHECKING:
    from deployments.bootstrap.plan import BootstrapStep
    from deployments.environment.server import HostAddress
    from infra.bootstrap.preparation import Ask
    from infra.environment.locate import Located

EnterAs = Annotated[
    str, typer.Option("--as", metavar="USER", help="Root, or who becomes root by sudo.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", help="Private key to enter with; else your own.")
]
AskPassword = Annotated[bool, typer.Option("--ask-password", help="Enter with a password.")]
HostKeyOption = Annotated[
    str, typer.Option("--host-key", help="The server's key, or SHA256:... of it.")
]
Admin = Annotated[
    str, typer.Option("--admin", help="User who becomes root by sudo, where root enters.")
]
AdminKey = Annotated[str, typer.Option("--admin-key", metavar="FILE", help="Its public key.")]
KeepOpen = Annotated[
    list[int],
    typer.Option("--keep-open", metavar="PORT", help="A port that stays open.", min=1, max=65535),
]
CloseOthers = Annotated[bool, typer.Option("--close-others", help="Close every other open port.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what is missing only.")]
Print = Annotated[
    bool, typer.Option("--print", help="Print one block to paste into the server's console.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")]


def bootstrap(
    env: Env, enter_as: EnterAs = "", key: KeyFile = None, ask_password: AskPassword = False,
    host_key: HostKeyOption = "", admin: Admin = "admin", admin_key: AdminKey = "",
    keep_open: KeepOpen = [], close_others: CloseOthers = False,  # noqa: B006
    dry_run: DryRun = False, print_block: Print = False, yes: Yes = False, json: Json = False,
) -> None:  # fmt: skip
    """Prepare a fresh Debian or Ubuntu server for deploys.

    Docker, the deploy user, a firewall, sshd without passwords. A second call changes nothing.
    """
    with importing():
        from infra.bootstrap.entry import RootLogin, enter_here
        from infra.bootstrap.keys import check_way_in
        from infra.bootstrap.preparation import Ask, Preparation, block
        from infra.cli.run import check_server
        from infra.environment import locate

    located = locate.load(env)
    users = (enter_as,) if enter_as else ("root", admin)
    password = "" if not ask_password else _password(users[0], located)
    admin_file = str(Path(admin_key).expanduser().resolve()) if admin_key else ""
    ask = Ask(RootLogin(users, key, password), admin, admin_file, tuple(keep_open), close_others)
    if print_block:
        typer.echo(block(located, ask), nl=False)
        return
    if not password:
        check_way_in(key, users[0], located.environment.ssh)
    if not dry_run:
        check_server()
    signals.begin_work()
    located = _with_pinned_key(located, host_key)
    planned = Preparation(located, ask, layout.errors.print).look()
    if not json:
        _show(planned, located)
    if dry_run:
        if json:
            layout.as_json({"steps": [{"kind": s.kind, "what": s.what} for s in planned]})
        return
    if planned and not yes:
        _confirm()
    enter_here(ask.login)
    summary = _run(env, ask, Printing(json))
    if json:
        layout.as_json(summary)
    elif summary["changed"]:
        _say_way_in(ask, located.environment.host, {step["kind"] for step in summary["steps"]})
        _say_commit(located)
        layout.console.print(f"\n[green]done[/green]; next: homeguru release --env {env}")


def _say_commit(located: Located) -> None:
    """The environment's file has the server's key now: whoever else deploys needs it too."""
    from infra.publish.trees import is_changed

    if is_changed(located.file):
        layout.console.print(
            f"\ncommit the server's key:\n  git commit {shlex.quote(str(located.file))} "
            f'-m "The server\'s host key"',
            highlight=False, markup=False,
        )  # fmt: skip


def _say_way_in(ask: Ask, host: HostAddress, done: set[str]) -> None:
    """How a person enters the server after root was locked out."""
    if "root" not in ask.login.users or not done & {"administrator", "sshd"}:
        return
    named = ask.administrator_key.removesuffix(".pub") or str(ask.login.key_file or "")
    words = [
        "ssh",
        *(["-i", named] if named else []),
        *(["-p", str(host.port)] if host.port != 22 else []),
    ]
    entered = shlex.join([*words, f"{ask.administrator}@{host.address}"])
    layout.console.print(
        f"\nroot can no longer log in; from now on: {entered}\n"
        f"and sudo there; {host.user} is the user that deploys",
        highlight=False, markup=False,
    )  # fmt: skip


def _password(user: str, located: Located) -> str:
    return getpass.getpass(f"Password of {user} on {located.environment.host.address}: ")


def _with_pinned_key(located: Located, expected: str) -> Located:
    """The environment with the server's key, which a person has compared."""
    from infra.bootstrap.environment_file import pin
    from infra.bootstrap.host_key import check_expected, fingerprint, shown_key
    from infra.environment import locate

    host = located.environment.host
    if host.host_keys:
        return located
    where = f"{host.address}:{host.port}"
    shown = shown_key(host.address, host.port)
    if expected:
        check_expected(shown, expected, where)
    else:
        _compared(shown, fingerprint(shown), where)
    pin(located.file, shown)
    layout.errors.print(f"  host_keys of {located.file}: {fingerprint(shown)}", highlight=False)
    return locate.load(located.environment.name)


def _compared(key: str, fingerprint: str, where: str) -> None:
    kind = key.split()[0]
    if not sys.stdin.isatty():
        raise Refused(
            f"the server shows the key {fingerprint} ({kind}), and there is no terminal to ask whether "
            "that is right",
            where=where, state="untouched",
            todo="compare it on the provider's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; "
            f"then add --host-key {fingerprint}",
        )  # fmt: skip
    name = kind.removeprefix("ssh-").partition("-")[0]
    file = f"/etc/ssh/ssh_host_{name}_key.pub"
    layout.errors.print(
        f"\n{where} shows the key\n\n  {key}\n  {fingerprint}\n\nOn the server's console (the provider's "
        f"web page has one) these print the true one, whole and as its fingerprint:\n\n  cat {file}\n"
        f"  ssh-keygen -lf {file}\n\n--host-key KEY, or its fingerprint, answers this question beforehand.\n",
        highlight=False, markup=False,
    )  # fmt: skip
    if not typer.confirm("Are they the same?", default=False, err=True):
        raise Refused(
            "the server's key was not confirmed", where=where, state="untouched",
            todo="if they differ, someone stands between, or the address is another server's",
        )  # fmt: skip


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Refused(
            "there is no terminal to ask whether to begin", state="untouched",
            todo="run the same command again with --yes",
        )  # fmt: skip
    if not typer.confirm("\nBegin?", default=False, err=True):
        raise Refused(
            "not begun", state="untouched", todo="run it again when the list above is right"
        )


def _show(planned: tuple[BootstrapStep, ...], located: Located) -> None:
    where = located.environment.host.address
    if not planned:
        layout.console.print(f"nothing to do: {where} has all that a deploy needs", highlight=False)
        return
    layout.console.print(f"{where} lacks:\n", highlight=False)
    layout.pairs([(step.kind, step.what) for step in planned])


def _run(env: str, ask: Ask, printing: Printing) -> dict[str, Any]:
    with importing():
        from infra.cli.terminal import TerminalProgress
        from infra.host import actor
        from infra.machine import progress
        from infra.orchestration.flow import embedded, process

    embedded.begin()
    requester = actor.from_terminal()
    actor.claim(requester)
    progress.watch(TerminalProgress(printing.progress))
    parameters = {
        "environment": env, "administrator": ask.administrator,
        "administrator_key": ask.administrator_key, "keep_open": list(ask.keep_open),
        "close_others": ask.close_others, "by": str(requester),
    }  # fmt: skip
    summary: dict[str, Any] = process.run_flow("bootstrap", parameters)
    return summary
