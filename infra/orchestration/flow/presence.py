"""Whether Prefect's server answers: a run goes on without it, waits once, and says so once.

Prefect's client repeats each request for about a minute, and a run has many: its artifacts, its
place in the queue, its state at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx
from prefect.context import SettingsContext, SyncClientContext, get_settings_context
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, Settings

from infra.orchestration.flow.tasks import log

T = TypeVar("T")
REPEATS = 2
"""Of the first request without an answer: after 2 and 4 s. Prefect's own end of a run, which sends the
last lines of its log, takes some 14 s more."""

_lost = False
_copies: dict[int, tuple[Settings, Settings]] = {}
"""By repetitions: the settings that were copied, and the copy."""


def ask(request: Callable[[], T], otherwise: T) -> T:
    """What the server answers; `otherwise` where it is away."""
    try:
        with _repeated(0 if _lost else REPEATS):
            return request()
    except httpx.TransportError:
        _go_on_without()
        return otherwise


def _repeated(times: int) -> SettingsContext:
    """Settings under which Prefect's client repeats a request so often.

    A copy of all settings takes 30 ms, and a run asks ten times: it is made once.
    """
    context = get_settings_context()
    base, copy = _copies.get(times, (None, context.settings))
    if base is not context.settings:
        copy = context.settings.copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: times})
        _copies[times] = context.settings, copy
    return SettingsContext(profile=context.profile, settings=copy)


def reachable() -> bool:
    """Whether the server answers, or may be asked at all."""
    return ask(_health, otherwise=False)


def _health() -> bool:
    with SyncClientContext.get_or_create() as context:
        problem = context.client.api_healthcheck()
    if isinstance(problem, httpx.TransportError):
        raise problem
    return True


def _go_on_without() -> None:
    global _lost
    if _lost:
        return
    _lost = True
    # For the rest of this process, and so for what Prefect itself asks after the run's last step.
    _repeated(0).__enter__()
    log("Prefect's server does not answer: the run goes on, and its history there has a gap")
