"""Bring a Prefect server to what prefect.yaml and the environments say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from deployments.errors import WrongUse
from infra.environment import folders, locate
from infra.environment.locate import Located
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.liveness import BEGINS_WITHIN, SILENT_AFTER
from infra.orchestration.setup import automations, blocks, schedules
from infra.orchestration.setup.changes import SetupChange
from infra.orchestration.setup.declared import Declared, declared
from infra.orchestration.setup.entries import Describe, Entries, describe
from infra.orchestration.setup.limits import ensure_limits
from infra.orchestration.setup.pools import DOCKER_POOL, ensure_pool
from infra.orchestration.setup.queues import DEFAULT, ensure_queue
from infra.orchestration.setup.workers import how_to_start, workers

POOL_KINDS = ("process", "docker")


def apply(
    api: PrefectApi, say: Callable[[str], None], *, pools: str = "process",
    docker_variables: dict[str, Any] | None = None, archive: bool = False,
    silent_after: int = SILENT_AFTER,
    begins_within: int = BEGINS_WITHIN,
    file: Path | None = None, describe: Describe = describe,
) -> list[SetupChange]:  # fmt: skip
    """Compare, create and change what differs, say each thing; returns all of them.

    `docker_variables` are defaults of the Docker pool's job variables; None leaves a pool
    that is there as it is. `archive` adds what only a control plane has; a server that has
    it keeps it. `file` and `describe` are for tests.
    """
    if pools not in POOL_KINDS:
        raise WrongUse(f"no pools {pools!r}", todo=f"choose one of: {', '.join(POOL_KINDS)}")
    api.version()
    entries, more = declared(file)
    entries += [entry for entry in more if archive or _has(api, entry)]
    changes: list[SetupChange] = []
    steps = _steps(api, entries, pools, docker_variables, (silent_after, begins_within), describe)
    for change in steps:
        say(str(change))
        changes.append(change)
    _conclude(api, changes, dict.fromkeys(e.pool_of(pools) for e in entries), say)
    return changes


def pools_of(api: PrefectApi) -> str:
    """How the server is set up now: a control plane with containers stays one."""
    return "docker" if api.find(f"/work_pools/{DOCKER_POOL}") else "process"


def _has(api: PrefectApi, entry: Declared) -> bool:
    return api.find(f"/deployments/name/{entry.name}/{entry.name}") is not None


def _steps(
    api: PrefectApi, entries: list[Declared], pools: str, docker_variables: dict[str, Any] | None,
    patience: tuple[int, int], describe: Describe,
) -> Iterator[SetupChange]:  # fmt: skip
    located = [locate.load(name) for name in folders.names()]
    yield blocks.ensure_secret_type(api)
    for pool in dict.fromkeys(e.pool_of(pools) for e in entries):
        yield ensure_pool(api, pool, docker_variables if pool == DOCKER_POOL else None)
    for pool, queue in dict.fromkeys((e.pool_of(pools), e.queue) for e in entries):
        if queue != DEFAULT:
            yield ensure_queue(api, pool, queue)
    yield from ensure_limits(api, [x.environment.name for x in located])
    flows: list[str] = []
    yield from _deployments(api, entries, pools, located, describe, flows)
    yield from automations.ensure_automations(api, automations.wanted(flows, *patience))
    yield from blocks.missing_secrets(api, located)


def _deployments(
    api: PrefectApi, entries: list[Declared], pools: str, located: list[Located],
    describe: Describe, flows: list[str],
) -> Iterator[SetupChange]:  # fmt: skip
    registered, environments_here = Entries(api), [x.environment for x in located]
    named: set[str] = set()
    for entry in entries:
        described = describe(entry)
        flows.append(described[0])
        change, deployment = registered.ensure(entry, entry.pool_of(pools), described)
        named.add(change.name)
        yield change
        rhythm = schedules.wanted(entry, environments_here)
        yield from schedules.ensure_schedules(api, deployment, rhythm, environments_here)
    yield from registered.left_over(named)


def _conclude(
    api: PrefectApi, changes: list[SetupChange], pools: Iterable[str], say: Callable[[str], None]
) -> None:
    counted = {
        what: sum(c.what == what for c in changes) for what in ("created", "changed", "removed")
    }
    counts = [f"{number} {what}" for what, number in counted.items() if number]
    for pool in pools:
        if not workers(api, pool):
            say(f"no worker is online for pool {pool}; start one: {how_to_start(pool)}")
    say(", ".join(counts) if counts else "nothing to do")
