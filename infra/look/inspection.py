"""Looking at a host without a lock and without Prefect: plan, status, history, logs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from deployments.compose.variables import Configuration
from deployments.database.backups import Backup
from deployments.errors import Interrupted, Refused, WrongUse, in_state
from deployments.health import drift
from deployments.history.audit import plan_files, read_subjects
from deployments.history.ledger import Ledger
from deployments.host.access_log import EdgeChecks
from deployments.host.log_lines import last_of_each, note_of_more, note_of_unsearched
from deployments.host.observation import Observation
from deployments.planning.plan import Plan
from deployments.release.manifest import Manifest, without_number
from deployments.shell.probe import Tail, tail_logs
from deployments.verbs import traits
from infra.backups.off_host import OffHost, off_host
from infra.environment.context import Assembly
from infra.host.actor import at_terminal
from infra.host.seen_names import SeenNames
from infra.host.session import Host
from infra.host.status import status_document
from infra.host.targets import Targets
from infra.machine import signals
from infra.machine.output import Mask
from infra.publish.manifests import current_manifest, read_manifest
from infra.run.operation import CURRENT, operation_on
from infra.ssh.session_lock import describe_owner

PREVIOUS = "previous"


@contextmanager
def opened(assembly: Assembly, verb: str, log: Callable[[str], None]) -> Iterator[Host]:
    """A host, connected and closed again."""
    host = Host(assembly.located, at_terminal("none"), verb, log, mask=Mask(assembly.hidden()))
    signals.begin_work()
    try:
        host.open()
        yield host
    except Interrupted as stopped:
        raise in_state(stopped, "untouched") from None
    finally:
        host.close()


def plan_of(
    assembly: Assembly, release: str, log: Callable[[str], None], *,
    update_infrastructure: bool = False,
) -> Plan:  # fmt: skip
    """What `deploy` would do now; nothing is changed."""
    configuration = assembly.configuration()
    with assembly.registry() as registry, opened(assembly, "plan", log) as host:
        operation = operation_on(assembly, configuration, host, registry, lambda _, work: work())
        manifest = operation.find(release)
        target = operation.targets.published(manifest, update_infrastructure=update_infrastructure)
        operation.observe()
        return operation.planning.deploy(target, operation.run.seen).plan


def manifests_of(
    assembly: Assembly, wanted: list[str], log: Callable[[str], None]
) -> list[Manifest]:
    """Releases by a manifest's name or file, `newest` or `current`, or as `rollback` names them.

    The server is asked only for what its ledger knows.
    """
    named = [without_number(name) for name in wanted]
    with assembly.registry() as registry:
        if not any(name in (CURRENT, PREVIOUS) or name.isdecimal() for name in named):
            return [read_manifest(assembly.located, registry, name) for name in named]
        with opened(assembly, "status", log) as host:
            seen = host.observe(assembly.stack)
        named = [_manifest_name(name, seen) for name in named]
        return [
            current_manifest(assembly.located, seen)
            if name == CURRENT
            else read_manifest(assembly.located, registry, name)
            for name in named
        ]


def _manifest_name(name: str, seen: Observation) -> str:
    """What the registry knows a release by: of `previous`, or of its number."""
    if seen.current and name == seen.current.partition("-")[0]:
        return CURRENT
    if name != PREVIOUS and not name.isdecimal():
        return name
    return without_number(seen.ledger.target(name, seen.current).release)


def adoption_of(assembly: Assembly, log: Callable[[str], None]) -> Plan:
    """What `adopt` would record now; nothing is changed."""
    configuration = assembly.configuration()
    with assembly.registry() as registry, opened(assembly, "plan", log) as host:
        operation = operation_on(assembly, configuration, host, registry, lambda _, work: work())
        operation.observe()
        return operation.planning.adopt(operation.run.seen).plan


def status_of(assembly: Assembly, log: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """The environment as it is now, and what is worth a note."""
    with opened(assembly, "status", log) as host:
        seen = host.observe(assembly.stack)
    return status_document(assembly, seen), _notes(assembly, seen)


def watch_status(
    assembly: Assembly, log: Callable[[str], None],
    tell: Callable[[dict[str, Any], list[str]], None], every: float,
) -> None:  # fmt: skip
    """The same again and again, over one connection, until somebody stops it. every: seconds."""
    with opened(assembly, "status", log) as host:
        while True:
            seen = host.observe(assembly.stack)
            tell(status_document(assembly, seen), _notes(assembly, seen))
            time.sleep(every)


def _notes(assembly: Assembly, seen: Observation) -> list[str]:
    notes = []
    if seen.locked:
        notes.append(f"being changed: {describe_owner(seen.owner)}")
    else:
        notes += [
            f"run {u.run} of {u.at} never ended (release {u.release}): a deploy of that release "
            "finishes it, a deploy of another one undoes it first"
            for u in seen.unfinished
        ]
    notes += [
        f"database {name} holds what was written before an undo: drop it when nobody needs it"
        for name in seen.undone
    ]
    broken = seen.ledger.broken_at()
    if broken:
        notes.append(f"the ledger was edited: line {broken} does not fit the one before")
    elif last := _last_failure(seen.ledger, assembly.located.environment.name):
        notes.append(last)
    return notes


def _last_failure(ledger: Ledger, environment: str) -> str:
    """How the last run ended that was to change what runs; empty where that was well, or nobody knows."""
    with suppress(Refused):
        runs = [line for line in ledger.lines if traits(line.verb).changes_what_runs]
        if runs and runs[-1].outcome != "ok":
            last = runs[-1]
            return (
                f"the last run did not end well: {last.verb} of {last.release}, {last.outcome} on "
                f"{last.at[:10]}; homeguru history --env {environment} tells why"
            )
    return ""


def backups_of(assembly: Assembly, log: Callable[[str], None]) -> tuple[Backup, ...]:
    """The backups on the host, oldest first."""
    with opened(assembly, "backups", log) as host:
        return host.observe(assembly.stack).backups


def copies_of(assembly: Assembly) -> list[str]:
    """Ids of the backups in the environment's store, oldest first."""
    ids = _store(assembly).listed()
    SeenNames(assembly.located).copied(ids)
    return ids


def fetched(
    assembly: Assembly, backup: str, identity: Any | None, log: Callable[[str], None]
) -> Backup:
    """Put a copy back among the host's backups."""
    store = _store(assembly)
    with opened(assembly, "fetch", log) as host:
        return host.copy_in(store, backup, identity)


def _store(assembly: Assembly) -> OffHost:
    store = off_host(assembly.located, assembly.secret_values)
    if store is None:
        raise Refused(
            "backups of this environment are copied nowhere", where=str(assembly.located.file),
            state="unchanged", todo="name a place for copies under [off_host] of the environment",
        )  # fmt: skip
    return store


def history_of(
    assembly: Assembly, log: Callable[[str], None]
) -> tuple[Ledger, str | None, dict[str, str]]:
    """The ledger, the current release, and subjects of commits by manifest."""
    with opened(assembly, "history", log) as host:
        seen = host.observe(assembly.stack)
        plans = host.files(plan_files(seen.ledger.lines)) if seen.ledger.raw else {}
    return seen.ledger, seen.current, read_subjects(plans)


def audited_of(
    assembly: Assembly, log: Callable[[str], None]
) -> tuple[Ledger, str | None, list[str]]:
    """The ledger, the current release, and what runs otherwise than they say."""
    with opened(assembly, "audit", log) as host:
        seen, record = host.look(assembly.stack)
        wrong = drift.unknown_current(seen)
        if seen.current and seen.manifest and record.compose_file and not seen.locked:
            # No secret is needed to see what differs: only their fingerprints are compared.
            targets = Targets(assembly, Configuration({}, {}), host)
            target = targets.recorded(seen.manifest, record.compose_file, record.env, pin=True)
            drifted = drift.find_drift(target, seen, record)
            wrong += [f"{f.service} {f.check}: {f.detail}" for f in drifted if f.check != "ledger"]
    return seen.ledger, seen.current, wrong


AMONG = 10_000
"""Lines of a container among which its last ones are searched, where no time is named to begin from."""


def logs_of(
    assembly: Assembly, tail: Tail, log: Callable[[str], None], note: Callable[[str], None], *,
    checks: bool = False, grep: str = "",
) -> int:  # fmt: skip
    """Print the last lines of services, of all where none is named; returns the remote exit code.

    checks: the edge's health checks too. grep: a regular expression that each line has to match.
    note: gets a sentence where a limit may have left out some of what was asked for.
    """
    assembly.check_service(*tail.services)
    edge = EdgeChecks({}) if checks else EdgeChecks.of(assembly.stack)
    wanted = _pattern(grep)
    routed = edge.paths.keys() & set(tail.services) if tail.services else edge.paths

    def matches(line: str) -> bool:
        return bool(wanted.search(line)) and not edge.owns(line)

    lines: list[str] = []
    if tail.follow or not (grep or routed):

        def shown(line: str) -> None:
            if matches(line):
                log(line)
                lines.extend([] if tail.follow else [line])

        with opened(assembly, "logs", shown) as host:
            code = host.follow(tail_logs(host.environment, tail))
        if tail.since and (text := note_of_more(lines, tail.lines)):
            note(text)
        return code
    searched = replace(tail, lines=max(AMONG, tail.lines), everything=bool(tail.since))
    with opened(assembly, "logs", lines.append) as host:
        code = host.follow(tail_logs(host.environment, searched))
    matching = [line for line in lines if matches(line)]
    for line in last_of_each(matching, tail.lines):
        log(line)
    if (tail.since or grep) and (text := note_of_more(matching, tail.lines)):
        note(text)
    if not searched.everything and (
        text := note_of_unsearched(lines, matching, searched.lines, tail.lines)
    ):
        note(text)
    return code


def _pattern(grep: str) -> re.Pattern[str]:
    try:
        return re.compile(grep)
    except re.error as error:
        raise WrongUse(
            f"--grep is no regular expression: {error}", state="not contacted",
            todo="a backslash before a character takes its meaning away, such as \\( or \\.",
        ) from None  # fmt: skip
