"""Preflight: what a host must have before anything is changed on it."""

from __future__ import annotations

import re

from deployments.compose.extension import no_database
from deployments.compose.ports import numbers
from deployments.compose.references import interpolate, references
from deployments.compose.stack import Stack
from deployments.environment.schema import Environment
from deployments.errors import Refused
from deployments.host.observation import Observation
from deployments.host.ownership import ownership
from deployments.planning.plan import Plan
from deployments.verbs import traits

MINIMUM_ENGINE = (25, 0)
MINIMUM_COMPOSE = (2, 26)


CLOCKS = 300
"""Seconds by which the host's clock may differ from the deployer's."""


def preflight(
    environment: Environment, stack: Stack, seen: Observation, now: float, verb: str = ""
) -> None:
    """Raise Refused with every reason why this host cannot take a release.

    now: the deployer's clock, seconds since 1970. The way back must not wait for room: neither a
    rollback nor what an unfinished run needs is held up by too little of it, and no maintenance.
    """
    does = traits(verb)
    returns = does.returns or does.switches_maintenance or bool(seen.unfinished)
    checked = checks(environment, stack, seen, now)
    problems = [
        problem
        for name, found in checked.items()
        if not (returns and name == "room")
        for problem in found
    ]
    if problems:
        raise Refused(
            "; ".join(problem for problem, _ in problems),
            where=environment.ssh,
            state=_state(seen),
            todo="; ".join(dict.fromkeys(todo for _, todo in problems)),
        )


def checks(
    environment: Environment, stack: Stack, seen: Observation, now: float
) -> dict[str, list[tuple[str, str]]]:
    """Each thing that a host must have, with what is wrong with it and what to do; empty is well."""
    engine = _engine(seen, environment.host.user)
    return {
        "ledger": _ledger(seen),
        "Docker": engine,
        "directory": _directory(environment, seen),
        "room": _room(environment, seen),
        # Without an engine's answer nobody knows whose a port is.
        **({} if engine else {"ports": _ports(environment, stack, seen)}),
        "owner": list(ownership(environment, stack, seen)),
        "clock": _clock(seen, now),
    }


def _state(seen: Observation) -> str:
    if seen.unfinished:
        last = seen.unfinished[-1]
        return f"between two releases: run {last.run} of {last.at} never ended"
    return f"runs {seen.current}, unchanged" if seen.current else "untouched"


_STOPPED = ("Cannot connect", "failed to connect to the docker API", "error during connect")
"""What Docker's clients say, by age, where no engine answers."""


def check_engine(environment: Environment, seen: Observation) -> None:
    """Raise Refused when the host's engine cannot even be queried."""
    for problem, todo in _engine(seen, environment.host.user):
        raise Refused(problem, where=environment.ssh, state="unknown", todo=todo)


def _engine(seen: Observation, user: str) -> list[tuple[str, str]]:
    if "permission denied" in seen.engine.lower():
        return [(f"{user} may not use Docker", f"as root: usermod -aG docker {user}")]
    if any(sign in seen.engine for sign in _STOPPED):
        return [("the Docker engine does not run", _start_engine(seen.engine, user))]
    if not re.match(r"\d+\.", seen.engine):
        return [("there is no Docker engine", "install Docker Engine 25 or newer with Compose")]
    problems = []
    if version(seen.engine) < MINIMUM_ENGINE:
        problems.append((f"Docker engine {seen.engine} is older than 25", "upgrade Docker Engine"))
    if not seen.compose:
        problems.append(
            ("Docker Compose v2 is missing", "install the Compose plugin, 2.26 or newer")
        )
    elif version(seen.compose) < MINIMUM_COMPOSE:
        problems.append(
            (f"Compose {seen.compose} is older than 2.26", "upgrade the Compose plugin")
        )
    return problems


def _start_engine(answer: str, user: str) -> str:
    """What starts the engine that the client names as the one which does not answer."""
    if "unix:///run/user/" in answer:
        return f"as {user}: systemctl --user start docker"
    if "unix:///var/run/docker.sock" in answer or "unix:///run/docker.sock" in answer:
        return "as root: systemctl enable --now docker"
    return f"start it; docker context ls, as {user}, shows where it is looked for"


def version(text: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _directory(environment: Environment, seen: Observation) -> list[tuple[str, str]]:
    if seen.writable:
        return []
    owner, directory = environment.host.user, environment.directory
    return [(f"{owner} may not write in {directory}", f"as root: chown {owner} {directory}")]


def with_database(
    stack: Stack, seen: Observation, what: str, environment: Environment, file: str
) -> str:
    """The release that runs, beside a database that answers; raises Refused where one is missing.

    what: is to be done to the database. file: the Compose file that would describe it.
    """
    database = stack.deploy.database
    runs = f"runs {seen.current}, unchanged" if seen.current else "untouched"
    if database is None:
        raise no_database(file, runs, environment.name)
    if seen.current is None:
        raise Refused(
            f"nothing is deployed, so there is no database to {what}",
            where=environment.ssh, state=runs,
            todo=f"homeguru deploy newest --env {environment.name}",
        )  # fmt: skip
    if seen.revision is None:
        raise Refused(
            f"the database does not answer, or has no revision: there is nothing to {what}",
            where=environment.ssh, state=runs,
            todo=f"homeguru logs {database.service} --env {environment.name}",
        )  # fmt: skip
    return seen.current


def check_room(environment: Environment, plan: Plan, seen: Observation) -> None:
    """Raise Refused when the plan's copies of the database need space that must stay free."""
    copies = [s.key.traits for s in plan.steps if s.key.traits.copies_database]
    # Dumped, and restored next to the database until the next step.
    twice = environment.backup.verify == "restore" and any(c.backs_up for c in copies)
    need = max(len(copies), 2 if twice else 0) * seen.database_bytes // 2**20
    if not copies or need <= seen.disk_mb - environment.need.disk_mb:
        return
    raise Refused(
        f"the plan makes copies of the database, about {need} MiB, and {seen.disk_mb} MiB of disk "
        f"are free, of which {environment.need.disk_mb} stay free",
        where=environment.ssh, state=f"runs {seen.current}, unchanged",
        todo="free some, keep fewer backups ([backup] keep_mb), or lower need.disk_mb",
    )  # fmt: skip


def _ledger(seen: Observation) -> list[tuple[str, str]]:
    """An unreadable ledger allows neither a rollback nor a new line."""
    try:
        _ = seen.ledger.lines
    except Refused as error:
        return [(error.what, error.todo)]
    return []


def _clock(seen: Observation, now: float) -> list[tuple[str, str]]:
    """Times in the ledger, names of backups and certificates all go by it."""
    off = int(seen.epoch - now)
    if seen.epoch == 0 or abs(off) <= CLOCKS:
        return []
    way = "ahead of" if off > 0 else "behind"
    problem = f"the server's clock is {abs(off) // 60} min {way} this machine's"
    return [(problem, "set the one that is wrong; on the server as root: timedatectl set-ntp true")]


def _room(environment: Environment, seen: Observation) -> list[tuple[str, str]]:
    problems = []
    need = environment.need
    if seen.disk_mb < need.disk_mb:
        problem = f"{seen.disk_mb} MiB of disk are free, {need.disk_mb} are needed"
        problems.append((problem, "free some, or lower need.disk_mb"))
    if seen.memory_mb < need.memory_mb:
        problem = f"{seen.memory_mb} MiB of memory are free, {need.memory_mb} are needed"
        problems.append((problem, "free some, or lower need.memory_mb"))
    return problems


def _ports(environment: Environment, stack: Stack, seen: Observation) -> list[tuple[str, str]]:
    problems = []
    ours = {c.name for c in seen.containers}
    for service, port in stack.published(environment.variables):
        holder = seen.published.get(port, "")
        own = any(c.state == "running" for c in seen.of(service)) and holder in ("", *ours)
        if port in seen.listening and not own and holder not in ours:
            who, todo = _holder(environment, stack, seen, port)
            problems.append((f"port {port}, which {service} publishes, is taken by {who}", todo))
    return problems


def _holder(
    environment: Environment, stack: Stack, seen: Observation, port: int
) -> tuple[str, str]:
    """Who has a port, and what to do; the advice never stops a service that people use."""
    holder = seen.published.get(port, "")
    other = f"publish another one{_by_variable(environment, stack, port)}"
    if not holder:
        who = f"ss -ltnp 'sport = :{port}'"
        return "another program", f"{other}; as root, {who} says whose port {port} is"
    project = seen.holders.get(holder, "")
    if not project:
        return f"container {holder}", other
    serves = next((p.environment for p in seen.projects if p.name == project and p.environment), "")
    if serves:
        return f"container {holder} of environment {serves}", f"{other}; {serves} goes on serving"
    if seen.current is not None:
        return f"container {holder} of Compose project {project}", other
    return (
        f"container {holder} of Compose project {project}",
        f'to take over what runs, with its data: write project = "{project}", then homeguru adopt '
        f"--env {environment.name}; to leave it alone, publish other ports, under [variables]",
    )


def _by_variable(environment: Environment, stack: Stack, port: int) -> str:
    """How the port is chosen, where a variable does that."""
    for _, raw in stack.ports:
        if port in (numbers(interpolate(raw, environment.variables)) or ()):
            return "".join(f": {name} under [variables]" for name in list(references(raw))[:1])
    return ""
