"""Running a flow in this process.

Prefect is imported late: the verbs that only look at a host do without it.
"""

from __future__ import annotations

import copy
import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

import httpx

from deployments.errors import HomeguruError, Interrupted, in_state
from infra.machine import signals
from infra.machine.imports import importing
from infra.orchestration.flow.embedded import embedded_server


def entrypoint(verb: str) -> str:
    """The flow of a verb, as `prefect.yaml` names it: module and function."""
    from infra.orchestration.setup.declared import declared

    return next(entry.entrypoint for entry in declared()[0] if entry.name == verb)


def run_flow(verb: str, parameters: dict[str, Any]) -> Any:
    """Run a flow in this process; returns its result or raises what it failed with."""
    module, _, name = entrypoint(verb).rpartition(".")
    with importing():
        flow = getattr(importlib.import_module(module), name)
    signals.stop_if_asked()
    ends, watched, environment = _Ends(), copy.copy(flow), parameters.get("environment")
    watched.fn = ends.of(flow.fn)
    try:
        with embedded_server():
            state = watched(**parameters, return_state=True)
    except Exception as error:
        # Also what Prefect made of an interrupt that reached its own code.
        stopped = error if isinstance(error, Interrupted) else signals.interrupted()
        if stopped is None:
            if isinstance(error, httpx.TransportError):
                return ends.without_server(error, environment)
            raise
        raise in_state(
            stopped,
            stopped.state or f"as the run left it: homeguru status --env {environment} shows it",
        ) from None
    result = state.result(raise_on_failure=False)
    if isinstance(result, httpx.TransportError):
        return ends.without_server(result, environment)
    if isinstance(result, BaseException):
        raise ends.own(result)
    return result


class _Ends:
    """How a flow's function ended: Prefect may lose its server before it can say so."""

    def __init__(self) -> None:
        self._result: list[Any] = []
        self._failure: BaseException | None = None

    def of(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; how it ends is kept."""

        @functools.wraps(work)
        def recorded(*words: Any, **named: Any) -> Any:
            try:
                self._result = [work(*words, **named)]
            except BaseException as error:
                self._failure = error
                raise
            return self._result[0]

        return recorded

    def own(self, failure: BaseException) -> BaseException:
        """The function's own failure, where the server ended the run before it could say so.

        A pause whose time is over is ended by both at the same moment.
        """
        return self._failure if isinstance(self._failure, HomeguruError) else failure

    def without_server(self, error: httpx.TransportError, environment: object) -> Any:
        """The function's own end; raises what it failed with."""
        if self._result:
            return self._result[0]
        if self._failure is not None and not isinstance(self._failure, httpx.TransportError):
            raise self._failure
        raise HomeguruError(
            f"Prefect's server does not answer ({type(error).__name__}), and the run needs it",
            where=os.environ.get("PREFECT_API_URL", ""),
            state=f"as the run left it: homeguru status --env {environment} shows it",
            todo="start that server again, or unset PREFECT_API_URL; then run the same command again",
        )
