"""verify: look, tell what changed, heal where the environment says so, look again."""

from __future__ import annotations

import time
from typing import Any

from prefect.events import emit_event

from deployments.errors import HomeguruError, Locked
from deployments.health.alerts import EVENT, HOUR, Memory, News, evaluate
from infra.host.watching import Look
from infra.orchestration.flow.memory import Remembered
from infra.orchestration.flow.notifying import page_of_run
from infra.orchestration.flow.operation import FlowOperation
from infra.orchestration.flow.schedule import missed
from infra.orchestration.flow.tasks import log


def watch(on: FlowOperation) -> dict[str, Any]:
    """One look with all that follows from it; raises StepFailed when something is amiss."""
    if missed(on, on.environment.watch.every):
        return on.skipped("a later look of the schedule follows")
    remembered = Remembered(on.environment.name)
    before = remembered.load()
    try:
        look = on.look(before)
    except Locked as locked:
        if on.actor.origin != "schedule":
            raise
        # A deploy verifies by itself: the next look is soon enough.
        log(str(locked))
        return on.skipped(locked.what)
    healing = on.environment.watch.heal and look.heals and time.time() - before.healed_at > HOUR
    memory = _remember(on, before, look, healing=healing)
    if not healing:
        remembered.save(memory)
        return on.looked(look)
    return _healed(on, remembered, memory, look)


def _healed(
    on: FlowOperation, remembered: Remembered, memory: Memory, look: Look
) -> dict[str, Any]:
    """Heal once within an hour, and look again. A lock that is held leaves it to the next look."""
    # Kept before: a heal that dies is not tried again by every look.
    healed = memory.model_copy(update={"healed_at": time.time()})
    remembered.save(healed)
    try:
        _heal(on)
    except Locked as locked:
        log(f"not healed: {locked.what}")
        remembered.save(memory)
        return on.looked(look)
    try:
        look = on.look(healed)
    except Locked as locked:
        if on.actor.origin != "schedule":
            raise
        return on.skipped(locked.what)
    remembered.save(_remember(on, healed, look, healing=False))
    return on.looked(look)


def _remember(on: FlowOperation, before: Memory, look: Look, *, healing: bool) -> Memory:
    """The memory after a look; a change is notified, and is an event in Prefect."""
    memory, news = evaluate(before, list(look.findings), time.time())
    if look.seen:
        memory = memory.model_copy(update={"restarts": look.restarts})
    if news is None:
        return memory
    _emit(on.environment.name, news)
    log(f"since the last look: {news.kind}")
    reached = on.notifier.send(lambda write: write.news(news, healing=healing, page=page_of_run()))
    return memory if reached else memory.untold(before)


def _emit(environment: str, news: News) -> None:
    """For automations of one's own; an event that is lost is only lost to them."""
    resource = {
        "prefect.resource.id": f"{EVENT}.{environment}",
        "prefect.resource.name": environment,
    }
    payload = {"problems": list(news.problems), "seconds": round(news.seconds)}
    emit_event(f"{EVENT}.{news.kind}", resource, payload=payload)


def _heal(on: FlowOperation) -> None:
    """Deploy the current release again; a failure other than a held lock is notified."""
    try:
        on.heal()
    except Locked:
        raise
    except HomeguruError as error:
        failure = error
        on.notifier.send(lambda write: write.failed("heal", failure, on.asker))
        raise
