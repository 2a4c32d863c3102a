"""What `homeguru doctor` says of one thing after another: well or not, why, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from deployments.bootstrap import daemon
from deployments.bootstrap.firewall import allowed
from deployments.bootstrap.machine import Machine
from deployments.bootstrap.plan import needs_swap, restricted
from deployments.bootstrap.ports import application_ports
from deployments.compose.stack import Stack
from deployments.environment.documents import X_DEPLOY
from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Refused
from deployments.health.secret_age import LONG, ages
from deployments.host.observation import Observation
from deployments.planning.preflight import checks

Verdict = Literal["ok", "warning", "wrong"]
Part = Literal["this machine", "control plane", "server"]


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at. what: its state. todo: what mends it; empty where it is well."""

    part: Part
    name: str
    verdict: Verdict
    what: str
    todo: str = ""


def examined(part: Part, name: str, look: Callable[[], str]) -> Diagnosis:
    """Look at one thing; look: its state, or the error that says what is wrong."""
    try:
        return Diagnosis(part, name, "ok", look())
    except HomeguruError as error:
        return failed(part, name, error)


def failed(part: Part, name: str, error: HomeguruError) -> Diagnosis:
    """What an error says of one thing."""
    where = f"{error.where}: " if error.where else ""
    return Diagnosis(part, name, "wrong", f"{where}{error.what}", error.todo)


SIGNATURES = "signatures"


def signing(environment: Environment, found: Diagnosis) -> Diagnosis:
    """What was found of cosign and the keys: a deploy that requires no signature goes on without them."""
    return found if environment.signatures.required else tolerated(found)


def tolerated(found: Diagnosis) -> Diagnosis:
    """The same as a warning: a deploy goes on without it."""
    return replace(found, verdict="warning") if found.verdict == "wrong" else found


def of_policies(environment: Environment, stack: Stack) -> Iterator[Diagnosis]:
    """What an environment leaves out that most people miss when they need it."""
    here: Part = "this machine"
    if environment.notices.urls:
        yield Diagnosis(here, "notices", "ok", f"sent to what {environment.notices.urls} holds")
    else:
        yield Diagnosis(
            here, "notices", "warning", "nobody is notified of a failed deploy",
            '[notices] urls = "NOTIFY_URLS" names the secret with the addresses',
        )  # fmt: skip
    every = environment.backup.every_hours
    if stack.deploy.database is None:
        kept = any(stack.volumes.values())
        what = "no database is described" + (": no data is backed up" if kept else "")
        todo = f"describe it as `database` under x-deploy: {X_DEPLOY}" if kept else ""
        yield Diagnosis(here, "backups", "warning" if kept else "ok", what, todo)
    elif every:
        yield Diagnosis(here, "backups", "ok", f"every {every} hours")
    else:
        yield Diagnosis(
            here, "backups", "warning", "none but before migrations", "[backup] every_hours = 24"
        )


def of_host(
    environment: Environment, stack: Stack, seen: Observation, now: float
) -> Iterator[Diagnosis]:
    """What a deploy needs, as preflight asks it. now: this machine's clock, seconds since 1970."""
    for name, problems in checks(environment, stack, seen, now).items():
        if problems:
            what, todo = ("; ".join(dict.fromkeys(p[n] for p in problems)) for n in (0, 1))
            yield Diagnosis("server", name, "wrong", what, todo)
        else:
            yield Diagnosis("server", name, "ok", _well(name, environment, seen))
    yield from _of_runs(environment, seen)
    yield from _of_secrets(environment, seen)


def _of_secrets(environment: Environment, seen: Observation) -> Iterator[Diagnosis]:
    known = ages(seen)
    if not known:
        return
    old = [name for name, days in known if days > (environment.watch.secret_days or LONG)]
    what = ", ".join(f"{name} {days} d" for name, days in known)
    verdict: Verdict = "warning" if old else "ok"
    todo = f"homeguru rotate {old[0]} --env {environment.name}" if old else ""
    yield Diagnosis("server", "age of secrets", verdict, what, todo)


def _well(name: str, environment: Environment, seen: Observation) -> str:
    if name == "ledger":
        # Of one that cannot be read nothing else may be asked.
        count = len(seen.ledger.lines)
        return f"{count} line{'' if count == 1 else 's'}"
    return {
        "Docker": f"engine {seen.engine}, Compose {seen.compose}",
        "directory": environment.directory,
        "room": f"{seen.disk_mb} MiB of disk, {seen.memory_mb} MiB of memory",
        "ports": "free, or this application's",
        "owner": f"environment {seen.environment or environment.name}",
        "clock": "as here",
    }[name]


def _of_runs(environment: Environment, seen: Observation) -> Iterator[Diagnosis]:
    if seen.unfinished and not seen.locked:
        last = seen.unfinished[-1]
        yield Diagnosis(
            "server", "runs", "warning", f"run {last.run} of {last.at} never ended",
            f"homeguru deploy newest --env {environment.name} ends or undoes it",
        )  # fmt: skip
    else:
        yield Diagnosis("server", "runs", "ok", "one is at work" if seen.locked else "all ended")


def of_processor(here: str, there: str) -> Iterator[Diagnosis]:
    """Whether images that are built here run there, by Docker's names; nothing where one is unknown."""
    if here and there and here != there:
        yield Diagnosis(
            "server", "processor", "warning", f"{there}, and images that are built here are for {here}",
            f"FROM --platform=linux/{there} in each Dockerfile, or let GitHub's runner build",
        )  # fmt: skip
    elif here and there:
        yield Diagnosis("server", "processor", "ok", f"{there}, as here")


def of_machine(environment: Environment, stack: Stack, machine: Machine) -> Iterator[Diagnosis]:
    """What `bootstrap` gives a server, as far as the deploy user may read it."""
    mends = f"homeguru bootstrap --env {environment.name}"
    text = machine.firewall_file or ""
    closed = sorted(set(application_ports(environment, stack)) - allowed(text))
    if text and closed:
        what = f"closes {', '.join(map(str, closed))}, which the application publishes"
        yield Diagnosis("server", "ports from outside", "wrong", f"the firewall {what}", mends)
    for looks in (_upkeep, _engine_settings):
        try:
            for name, well, lacks in looks(machine):
                yield Diagnosis(
                    "server",
                    name,
                    "warning" if lacks else "ok",
                    lacks or well,
                    mends if lacks else "",
                )
        except Refused as refused:
            yield failed("server", "Docker's settings", refused)


def _upkeep(machine: Machine) -> Iterator[tuple[str, str, str]]:
    """Name, what is said where it is well, and what is missing, or nothing."""
    memory, swap = machine.number("memory_kb") // 1024, machine.number("swap_kb") // 1024
    yield "firewall", "closes all other ports", _unless(machine.firewall_file, "there is none")
    yield "sshd", *_sshd(machine)
    yield (
        "updates", "security updates by themselves",
        _unless(machine.says("updates"), "security updates wait for a person"),
    )  # fmt: skip
    what = f"{memory} MiB of memory, {swap} MiB of swap"
    ends = f"{what}: a large build or query ends containers"
    yield "memory", what, ends if needs_swap(machine) else ""


def _sshd(machine: Machine) -> tuple[str, str]:
    """Its settings in effect, where the deploy user may read them; else what bootstrap wrote."""
    well = "keys, no passwords"
    if machine.sshd:
        return well, _unless(restricted(machine, "prohibit-password"), "it was not restricted")
    known = "PasswordAuthentication no" in (machine.sshd_file or "")
    return (well if known else "its settings are for root alone to read"), ""


def _engine_settings(machine: Machine) -> Iterator[tuple[str, str, str]]:
    """The same of the engine's daemon.json; raises Refused where nobody can read that."""
    settings = daemon.settings(machine.daemon)
    lacking = daemon.missing(machine.daemon, swarm=machine.in_swarm)
    driver = daemon.log_driver(settings)
    logs = (
        "have a limit" if driver in daemon.LIMITED else f"go to {driver}, whose limits are its own"
    )
    yield (
        "logs", f"of containers {logs}",
        _unless("max-size" not in lacking, "of containers grow until the disk is full"),
    )  # fmt: skip
    restart = "of the engine restart all containers"
    if machine.in_swarm:
        well = f"{restart}, as Swarm wants it"
    else:
        running = settings.get(daemon.LIVE_RESTORE)
        well = (
            "of the engine leave containers running"
            if running
            else f"{restart}, as {daemon.FILE} says"
        )
    yield "restarts", well, _unless(daemon.LIVE_RESTORE not in lacking, restart)


def _unless(well: object, lacks: str) -> str:
    return "" if well else lacks


def worst(found: list[Diagnosis]) -> Verdict:
    """The worst of all verdicts; ok where there are none."""
    order: list[Verdict] = ["ok", "warning", "wrong"]
    return order[max((order.index(each.verdict) for each in found), default=0)]
