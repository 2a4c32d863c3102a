"""A step as a Prefect task run, with its log lines and its place on the terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from deployments.errors import HomeguruError, Unreachable
from infra.machine import signals
from infra.machine.progress import watcher
from infra.machine.sinks import clean, cleaned, harmless

T = TypeVar("T")


class _Sentences(logging.Filter):
    """A person's mistake ends with one sentence, without a traceback; nothing shows a secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HomeguruError):
            record.exc_info = None
        record.msg, record.args = clean(record.getMessage()), None
        if record.exc_info:
            # What a formatter finds here it takes, and looks at the exception no more.
            record.exc_text = clean(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_Sentences())


def as_task(name: str, work: Callable[[], T], *, retries: int = 0) -> T:
    """Run `work` as a Prefect task run of that name.

    Effects are never served from a cache. A retry happens only when nothing answered,
    and only where the caller says that repeating is safe.
    """
    signals.begin_work()
    watcher().begin(name)
    begin = time.monotonic()

    @task(
        name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False,
        retries=retries, retry_delay_seconds=2, retry_condition_fn=_nothing_answered,
    )  # fmt: skip
    def run() -> T:
        signals.stop_if_asked()
        with _logging():
            try:
                value = work()
            except HomeguruError as error:
                # Prefect keeps its text as the state's message.
                raise cleaned(error) from None
            except Exception as error:
                if (shown := harmless(error)) is error:
                    raise
                raise shown from None
        signals.stop_if_asked()
        return value

    problem = "interrupted"
    try:
        result: T = run()
        problem = ""
        return result
    except Exception as error:
        problem = clean(str(error))
        raise
    finally:
        seconds = time.monotonic() - begin
        watcher().end(name, seconds, problem)
        # Who follows the run's log from elsewhere reads the same line as on a terminal.
        get_run_logger().info("%-22s %6.1f s  %s", name, seconds, "failed" if problem else "ok")


def _nothing_answered(_: object, __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unreachable)


_loggers: list[Any] = []
"""Loggers of the runs at work, innermost last: output arrives on threads of its own."""


@contextmanager
def _logging() -> Iterator[None]:
    _loggers.append(get_run_logger())
    try:
        yield
    finally:
        _loggers.pop()


def log(text: str) -> None:
    """A line for the run's log, and for whoever watches."""
    text = clean(text)
    watcher().line(text)
    logger = _loggers[-1] if _loggers else get_run_logger()
    logger.info("%s", text)
