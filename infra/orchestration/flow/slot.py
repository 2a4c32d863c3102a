"""One place in the queue of an environment: a Prefect global concurrency limit.

The host's lock decides; the limit only makes runs of different verbs wait for each other
without a connection, and shows the wait in Prefect. It works where `homeguru setup` made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency

from deployments.environment.schema import Environment, limit_name
from deployments.errors import Locked
from infra.orchestration.flow import presence

LEASE = 60.0
"""Seconds after which the slot of a killed run is free again."""


@contextmanager
def slot(environment: Environment, wait: int) -> Iterator[None]:
    """Hold the environment's slot, for which this run waits `wait` seconds.

    Without waiting configured, the host's lock alone refuses.
    """
    if environment.lock_wait == 0 or not presence.reachable():
        # Prefect asks for the slot in a thread of its own, with a patience of its own.
        yield
        return
    lease = concurrency(
        limit_name(environment.name), timeout_seconds=wait,
        lease_duration=LEASE, strict=False, raise_on_lease_renewal_failure=False,
    )  # fmt: skip
    try:
        lease.__enter__()
    except TimeoutError:
        raise Locked(
            f"another run works on {environment.name}, and {wait} s "
            "were not enough to wait for it", state="as that run leaves it",
            todo="follow that run in Prefect; press again when it has ended",
        ) from None  # fmt: skip
    try:
        yield
    finally:
        # A server that is away frees it when the lease ends.
        presence.ask(lambda: lease.__exit__(None, None, None), otherwise=None)
