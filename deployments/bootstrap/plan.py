"""The steps that make a host of a machine: those that it lacks, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deployments.bootstrap import daemon, firewall
from deployments.bootstrap.machine import Account, Machine
from deployments.errors import Refused, WrongUse
from deployments.fields import FORMS, USER_NAME
from deployments.planning.preflight import MINIMUM_COMPOSE, MINIMUM_ENGINE, version
from deployments.shell.machine import PATIENCE
from deployments.shell.quote import call

SUPPORTED = {"debian": 12, "ubuntu": 22}
"""Distribution to the first version that is supported; later ones are too."""

PACKAGES = ("sudo", "nftables", "unattended-upgrades", "ca-certificates")
TIME_SERVICE = "systemd-timesyncd"
SURVEYED = (*PACKAGES, TIME_SERVICE)

SMALL_MEMORY_MB = 2048
SWAP_MB = 2048

DOCKER_KEY = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
"""SHA-256 of https://download.docker.com/linux/debian/gpg and of .../ubuntu/gpg."""

INSTALLS = 900
"""Seconds that packages may take."""

Kind = Literal[
    "packages", "administrator", "user", "engine", "daemon", "docker group", "directory", "swap",
    "updates", "clock", "firewall", "sshd",
]  # fmt: skip


@dataclass(frozen=True)
class WantedHost:
    """What the environment and the person ask for.

    key: the deploy user's public key, a line. administrator: an account that becomes root by sudo,
    made where root entered; empty for none. ports: those of the application. keep_open: others that
    stay reachable. close_others: whether what else is open now may be closed.
    """

    entered_as: str
    user: str
    key: str
    directory: str
    ports: tuple[int, ...]
    administrator: str = ""
    administrator_keys: tuple[str, ...] = ()
    keep_open: tuple[int, ...] = ()
    close_others: bool = False

    @property
    def root_login(self) -> str:
        """What sshd says to root: nothing, where somebody else can become it."""
        return "no" if self.administrator or self.entered_as != "root" else "prohibit-password"


@dataclass(frozen=True)
class BootstrapStep:
    """One step. calls: lines of `shell.machine`. confirmed: takes itself back unless somebody got in."""

    kind: Kind
    what: str
    calls: tuple[str, ...]
    timeout: int = 60
    confirmed: bool = False


def plan(wanted: WantedHost, machine: Machine) -> tuple[BootstrapStep, ...]:
    """The steps in their order; raises Refused where this machine cannot become a host.

    The two that could lock everybody out come last, when everybody else's way in stands.
    """
    check_system(machine)
    check_user(wanted)
    check_uplinks(machine)
    check_ports(wanted, machine)
    return tuple(steps(wanted, machine))


def steps(wanted: WantedHost, machine: Machine) -> Iterator[BootstrapStep]:
    """Without the checks, for a console: nothing is known of the machine there."""
    yield from _packages(machine)
    yield from _accounts(wanted, machine)
    yield from _docker(wanted, machine)
    if machine.owner != wanted.user:
        what = f"{wanted.directory}, owned by {wanted.user}"
        yield BootstrapStep(
            "directory", what, (call("make_directory", wanted.user, wanted.directory),)
        )
    yield from _upkeep(machine)
    yield from _doors(wanted, machine)


def check_system(machine: Machine) -> None:
    """Raise Refused for a distribution whose packages and files are not known here."""
    first = SUPPORTED.get(machine.facts.get("distribution", ""))
    major = machine.facts.get("version", "").partition(".")[0]
    if first is None or not major.isdecimal() or int(major) < first:
        raise Refused(
            f"the server runs {machine.system or 'an unknown system'}", state="untouched",
            todo="Debian 12 or newer, or Ubuntu 22.04 or newer, is prepared; on another system do by hand "
            "what --print shows",
        )  # fmt: skip


def check_user(wanted: WantedHost) -> None:
    """Raise Refused where root would deploy: nobody could tell what a deploy may do."""
    if wanted.user == "root":
        raise Refused(
            "the environment deploys as root, whose login ends here", state="untouched",
            todo='choose another user under [host], such as user = "deploy": it is made',
        )  # fmt: skip


def check_administrator(name: str) -> None:
    """Raise WrongUse for a name that is no user's, and for root, whose login ends. Empty: there is none."""
    if not name or (name != "root" and re.fullmatch(USER_NAME, name)):
        return
    problem = "root's login ends" if name == "root" else FORMS[USER_NAME]
    raise WrongUse(
        f"{name!r} cannot look after the server: {problem}", where="administrator",
        state="not contacted", todo="name another user, which is made: --admin admin",
    )  # fmt: skip


def check_uplinks(machine: Machine) -> None:
    """Raise Refused where the way out looks like one of Docker's own bridges, which are let in."""
    for name in machine.facts.get("uplinks", "").split():
        if firewall.is_inside(name):
            raise Refused(
                f"the server's way out is {name}, which the firewall takes for a bridge of containers",
                state="untouched", todo="rename that interface, or do by hand what --print shows, without close_ports",
            )  # fmt: skip


def check_ports(wanted: WantedHost, machine: Machine) -> None:
    """Raise Refused where the firewall would close what other machines may use now."""
    known = {*machine.ssh_ports, *wanted.ports, *wanted.keep_open}
    others = sorted(machine.listening - known)
    # A firewall of ours has asked already: what it closes is closed, what it lets in stays.
    if not others or wanted.close_others or machine.says("firewall"):
        return
    options = " ".join(f"--keep-open {port}" for port in others)
    raise Refused(
        f"ports {', '.join(map(str, others))} are open on the server, and the firewall would close them",
        state="untouched",
        todo=f"add {options} to leave them open, or --close-others; `ss -ltnp` on the server says whose they are",
    )


def _packages(machine: Machine) -> Iterator[BootstrapStep]:
    time = () if machine.facts.get("clock") or machine.says("container") else (TIME_SERVICE,)
    missing = [name for name in (*PACKAGES, *time) if name not in machine.packages]
    if missing:
        yield BootstrapStep(
            "packages", f"install {', '.join(missing)}", (call("install_packages", *missing),), INSTALLS
        )  # fmt: skip


def _accounts(wanted: WantedHost, machine: Machine) -> Iterator[BootstrapStep]:
    name, keys = wanted.administrator, wanted.administrator_keys
    administrator = machine.administrator
    able = administrator is not None and administrator.may_sudo
    if name and not (able and _accepts(administrator, keys)):
        yield BootstrapStep(
            "administrator", f"user {name}, who becomes root by sudo, with {_counted(len(keys), 'key')}",
            (call("make_account", name), call("accept_keys", name, *keys), call("allow_sudo", name)),
        )  # fmt: skip
    if not _accepts(machine.user, (wanted.key,)):
        yield BootstrapStep(
            "user", f"user {wanted.user}, with the deploy key alone",
            (call("make_account", wanted.user), call("accept_keys", wanted.user, wanted.key)),
        )  # fmt: skip


def _accepts(account: Account | None, keys: tuple[str, ...]) -> bool:
    return account is not None and all(account.accepts(key) for key in keys)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _docker(wanted: WantedHost, machine: Machine) -> Iterator[BootstrapStep]:
    least, compose = (".".join(map(str, v)) for v in (MINIMUM_ENGINE, MINIMUM_COMPOSE))
    had, running = machine.facts.get("engine") or machine.facts.get("client", ""), "start_engine"
    if version(had) < MINIMUM_ENGINE or version(machine.facts.get("compose", "")) < MINIMUM_COMPOSE:
        what = f"Docker Engine {least} or newer and Compose {compose} or newer"
        again = f", instead of {had}: {_counted(machine.number('running'), 'container')} restart"
        yield BootstrapStep(
            "engine", what + (again if had else ""),
            (call("install_engine", least, compose, DOCKER_KEY), running), INSTALLS,
        )  # fmt: skip
    elif not machine.facts.get("engine"):
        yield BootstrapStep("engine", "start the Docker engine", (running,), 120)
    text = daemon.configuration(machine.daemon, swarm=machine.in_swarm)
    if text != machine.daemon:
        yield BootstrapStep(
            "daemon", "Docker: logs of 3 times 10 MB a container, containers run on while it restarts",
            (call("configure_engine", text), running), 180,
        )  # fmt: skip
    if machine.user is None or "docker" not in machine.user.groups:
        yield BootstrapStep(
            "docker group", f"{wanted.user} in the group docker: that is as much as root",
            (call("usermod", "-aG", "docker", wanted.user),),
        )  # fmt: skip


def needs_swap(machine: Machine) -> bool:
    """Whether it has little memory and no swap. A container shares those of the machine that it runs on."""
    small = machine.number("memory_kb") // 1024 < SMALL_MEMORY_MB
    return small and not machine.number("swap_kb") and not machine.says("container")


def _upkeep(machine: Machine) -> Iterator[BootstrapStep]:
    if needs_swap(machine):
        memory = machine.number("memory_kb") // 1024
        small = f"{memory} MB" if memory else f"less than {SMALL_MEMORY_MB} MB"
        yield BootstrapStep(
            "swap", f"{SWAP_MB} MB of swap, since memory is {small}", (call("add_swap", SWAP_MB, SMALL_MEMORY_MB),), 120
        )  # fmt: skip
    if not machine.says("updates"):
        yield BootstrapStep("updates", "security updates by themselves", ("enable_updates",))
    # A container shares the clock, too.
    if not machine.says("container") and not machine.facts.get("clock"):
        yield BootstrapStep(
            "clock", "the time from the network",
            (call("keep_time", TIME_SERVICE),),
        )  # fmt: skip


def _doors(wanted: WantedHost, machine: Machine) -> Iterator[BootstrapStep]:
    # Another environment of this server has its ports there; those of before go by --close-others.
    before = firewall.allowed(machine.firewall_file or "") if machine.says("firewall") else set()
    kept = set() if wanted.close_others else before - set(machine.ssh_ports)
    ports = sorted({*wanted.ports, *wanted.keep_open, *kept})
    text = firewall.rules(machine.ssh_ports, ports)
    if machine.firewall_file != text or not machine.says("firewall"):
        listed = ", ".join(map(str, [*machine.ssh_ports, *ports]))
        yield BootstrapStep(
            "firewall", f"firewall: ports {listed} and no others, Docker's included",
            (call("close_ports", text, PATIENCE),), confirmed=True,
        )  # fmt: skip
    if not restricted(machine, wanted.root_login):
        root = "not root" if wanted.root_login == "no" else "root by key"
        yield BootstrapStep(
            "sshd", f"sshd: keys, no passwords, {root}",
            (call("restrict_sshd", sshd_file(wanted.root_login), PATIENCE),), confirmed=True,
        )  # fmt: skip


def restricted(machine: Machine, root_login: str) -> bool:
    """Whether its sshd takes keys alone, and of root at most what `root_login` says."""
    wanted = {
        "passwordauthentication": ("no",),
        "kbdinteractiveauthentication": ("no",),
        "permitrootlogin": ("no",)
        if root_login == "no"
        else ("no", "without-password", "prohibit-password"),
    }
    return all((machine.sshd.get(name) or ("",))[0] in values for name, values in wanted.items())


def sshd_file(root_login: str) -> str:
    """Settings that come before the distribution's: of several values sshd takes the first."""
    return (
        "# Written by the bootstrap of HomeGuru Deploy; the next one writes it again.\n"
        "PubkeyAuthentication yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin {root_login}\n"
    )
