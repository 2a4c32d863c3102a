"""One bootstrap: a machine is looked at, gets what it lacks, and lets in whom it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from deployments.bootstrap import daemon
from deployments.bootstrap.machine import Machine, different, read_machine
from deployments.bootstrap.plan import (
    SURVEYED,
    BootstrapStep,
    WantedHost,
    check_administrator,
    plan,
    steps,
)
from deployments.bootstrap.ports import application_ports
from deployments.errors import HomeguruError, StepFailed, Unreachable
from deployments.shell.machine import (
    by_hand,
    keep,
    may_become_root,
    may_deploy,
    prepare,
    survey,
    take_back,
    unless_there,
)
from deployments.shell.quote import Script, call
from infra.bootstrap.entry import RootLogin, RootShell, as_user, entered
from infra.bootstrap.keys import deploy_key, first_line, own_keys
from infra.environment.compose_cli import read_stack
from infra.environment.locate import Located
from infra.machine.output import Log, Mask
from infra.machine.waiting import wait_until
from infra.ssh.connection import Remote

T = TypeVar("T")

RELOADS = 5.0
"""Seconds that sshd may need to listen again after it was told to read its settings."""


class RunStep(Protocol):
    """How a step is run: as a task run in a flow, plainly elsewhere."""

    def __call__(self, name: str, work: Callable[[], T]) -> T: ...


@dataclass(frozen=True)
class Ask:
    """What a person chooses beside the environment.

    administrator: made where root enters. administrator_key: a public key's file; empty for those
    that root accepts, and the person's own.
    """

    login: RootLogin
    administrator: str = "admin"
    administrator_key: str = ""
    keep_open: tuple[int, ...] = ()
    close_others: bool = False

    def __post_init__(self) -> None:
        """Raises WrongUse for an administrator that no server could have."""
        check_administrator(self.administrator)


class Preparation:
    """A machine during one bootstrap."""

    def __init__(self, located: Located, ask: Ask, log: Log) -> None:
        self._located, self._ask, self._log = located, ask, Mask().log(log)
        self.environment = located.environment

    def look(self) -> tuple[BootstrapStep, ...]:
        """What would be done now; changes nothing there."""
        with entered(self.environment, self._ask.login) as shell:
            return self._planned(shell)[1]

    def carry_out(self, step: RunStep, who: str) -> tuple[BootstrapStep, ...]:
        """Do what is missing, then prove that the deploy user gets in and may use Docker."""
        with entered(self.environment, self._ask.login) as shell:
            # What an earlier run could not confirm is taken back now, and not in the middle of this one.
            shell.run(take_back("firewall", "sshd"))
            wanted, planned = step("look at the server", lambda: self._planned(shell))
            for each in planned:
                step(each.kind, partial(self._take, shell, each, wanted, who))
        step("prove the way in", self._prove_deploy_user)
        return planned

    def _planned(self, shell: RootShell) -> tuple[WantedHost, tuple[BootstrapStep, ...]]:
        machine = self._survey(shell)
        wanted = self._wanted(shell.user, machine)
        return wanted, plan(wanted, machine)

    def _survey(self, shell: RootShell) -> Machine:
        environment = self.environment
        administrator = self._ask.administrator if shell.user == "root" else ""
        words = (environment.host.user, administrator, environment.directory, SURVEYED)
        return read_machine(shell.run(survey(*words)))

    def _wanted(self, entered_as: str, machine: Machine) -> WantedHost:
        wanted = wanted_of(self._located, self._ask, entered_as)
        if not wanted.administrator or self._ask.administrator_key:
            return wanted
        # Who enters as root today enters as the administrator tomorrow.
        keys = (*wanted.administrator_keys, *(machine.root.keys if machine.root else ()))
        if not keys:
            raise HomeguruError(
                f"no key is known for the administrator {wanted.administrator}",
                where=self.environment.ssh, state="untouched",
                todo="name the public key of who will look after the server: --admin-key ~/.ssh/id_ed25519.pub",
            )  # fmt: skip
        return replace(wanted, administrator_keys=different(keys))

    def _take(self, shell: RootShell, step: BootstrapStep, wanted: WantedHost, who: str) -> None:
        shell.run(prepare(step.kind, who, *step.calls, timeout=step.timeout), self._log)
        if step.confirmed:
            self._confirm(shell, step, wanted)

    def _confirm(self, shell: RootShell, step: BootstrapStep, wanted: WantedHost) -> None:
        """Keep a change that others were let in after; the connection that made it stays open meanwhile."""
        try:
            self._prove_deploy_user()
            self._prove_administrator(shell.user, wanted)
        except HomeguruError as error:
            shell.run(take_back(step.kind))
            raise StepFailed(
                f"after this change nobody could get in, so it was taken back: {error.what}",
                where=self.environment.ssh, state="as before that change",
                todo=error.todo,
            ) from None  # fmt: skip
        shell.run(keep(step.kind))

    def _prove_deploy_user(self) -> None:
        remote = Remote(self.environment, self._located.key_file)
        _prove(remote, may_deploy(self.environment.directory))

    def _prove_administrator(self, entered_as: str, wanted: WantedHost) -> None:
        name = wanted.administrator or entered_as
        key_file = self._ask.login.key_file
        if self._ask.administrator_key and wanted.administrator:
            # That key's own private half, where it lies beside it; else what an agent has.
            beside = Path(self._ask.administrator_key.removesuffix(".pub"))
            key_file = beside if beside.is_file() else None
        remote = Remote(as_user(self.environment, name), key_file)
        _prove(remote, may_become_root(name))


def connect(remote: Remote) -> None:
    """Connect. While sshd reads its settings again, it listens nowhere for a moment."""
    failed: Unreachable | None = None

    def opened() -> bool:
        nonlocal failed
        try:
            remote.open()
        except Unreachable as error:
            failed = error
            return False
        return True

    if not wait_until(opened, RELOADS) and failed:
        raise failed


def _prove(remote: Remote, script: Script) -> None:
    try:
        connect(remote)
        output = remote.run(script)
    finally:
        remote.close()
    if output.code:
        where = remote.environment.ssh
        raise StepFailed(
            output.tail or f"exit code {output.code}", where=where,
            todo="correct what it says on the server, then run the same command again",
        )  # fmt: skip


def wanted_of(located: Located, ask: Ask, entered_as: str) -> WantedHost:
    """What this environment wants of its machine; makes the deploy key where there is none."""
    environment = located.environment
    key = deploy_key(located.key_file, environment.ssh)
    administrator = ask.administrator if entered_as == "root" else ""
    named = ask.administrator_key
    stack = read_stack(located.compose_file).chosen(environment.services)
    ports = application_ports(environment, stack)
    keys = (first_line(located.beside(named)),) if named else own_keys()
    return WantedHost(
        entered_as, environment.host.user, key, environment.directory, ports,
        administrator, keys if administrator else (), ask.keep_open, ask.close_others,
    )  # fmt: skip


def block(located: Located, ask: Ask) -> str:
    """All steps as one text for the server's own console, where root pastes it."""
    environment = located.environment
    unknown = Machine(
        facts={}, root=None, user=None, administrator=None, owner="",
        sshd={"port": (str(environment.host.port),)}, listening=frozenset(), packages=frozenset(),
        daemon=None, sshd_file=None, firewall_file=None,
    )  # fmt: skip
    wanted = wanted_of(located, ask, "root")
    calls: list[str] = []
    for step in steps(wanted, unknown):
        calls.append(f"echo {step.kind}")
        if step.kind == "daemon":
            calls += [unless_there(daemon.FILE, step.calls[0]), *step.calls[1:]]
        else:
            calls += step.calls
        if step.kind == "administrator":
            calls.append(call("share_root_keys", wanted.administrator))
        # Who has a console cannot be locked out.
        calls += [call("keep_change", step.kind)] if step.confirmed else []
    shows = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    return f"bash -s <<'HOMEGURU'\n{by_hand(*calls, shows)}HOMEGURU\n"
