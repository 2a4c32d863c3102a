"""A deploy whose step kills Prefect's server: the flow of a test, with real artifacts and slot."""

import os
import signal
import time
from contextlib import ExitStack
from typing import Any

from prefect import flow

from deployments.errors import StepFailed
from deployments.history.ledger import Revision
from deployments.messages.report import Report
from deployments.planning.plan import Plan
from infra.environment.locate import load
from infra.orchestration.flow.artifacts import leave_plan, leave_report, leave_result, outcome
from infra.orchestration.flow.slot import slot
from infra.orchestration.flow.tasks import as_task, log

KILLED: list[float] = []
"""When it was killed."""
PLAN = Plan("deploy", "2-x", "x", "1-x", ())


def _fail() -> None:
    raise StepFailed("it broke", state="runs 1-x", todo="look")


@flow(name="deploy")
def deploy(server: int, when: str, fails: bool = False) -> dict[str, Any]:
    environment = load("production").environment.model_copy(update={"lock_wait": 5})

    def kill(now: str) -> None:
        if now == when:
            as_task("kill", lambda: os.kill(server, signal.SIGKILL))
            KILLED.append(time.monotonic())

    with outcome("prod"), ExitStack() as held:
        kill("before the queue")
        held.enter_context(slot(environment, 5))
        leave_plan("prod", PLAN, "")
        kill("in a step")
        for number in range(3):
            as_task(f"step {number}", lambda: log("work"))
        if fails:
            as_task("last", _fail)
        leave_report(Report("prod", PLAN, "ok", (), (), Revision(), 1.0, "ada", "r", {}))
        found = {"outcome": "ok"}
        leave_result("prod", found)
        return found
