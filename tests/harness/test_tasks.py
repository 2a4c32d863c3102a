"""What Prefect makes of our tasks: names, retries, sentences, artifacts."""

from __future__ import annotations

import time

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, LogFilter, TaskRunFilter

from deployments.errors import StepFailed, Unreachable
from infra.orchestration.flow.tasks import as_task

pytestmark = pytest.mark.harness


def tasks_of(run_id) -> list:
    with get_client(sync_client=True) as client:
        return client.read_task_runs(
            flow_run_filter=FlowRunFilter(id={"any_": [run_id]}), task_run_filter=TaskRunFilter()
        )


def run(work, retries: int = 0):
    @flow(name="one step")
    def one_step() -> None:
        as_task("replace api", work, retries=retries)

    return one_step(return_state=True)


def test_a_step_is_a_task_run_of_its_name() -> None:
    state = run(lambda: None)
    assert state.is_completed()
    assert [t.name for t in tasks_of(state.state_details.flow_run_id)] == ["replace api"]


def test_what_was_not_answered_is_asked_again() -> None:
    answers = iter([Unreachable("no answer"), None])
    attempts: list[int] = []

    def work() -> None:
        attempts.append(1)
        problem = next(answers)
        if problem:
            raise problem

    assert run(work, retries=2).is_completed()
    assert len(attempts) == 2


def test_what_failed_is_not_done_again() -> None:
    attempts: list[int] = []

    def work() -> None:
        attempts.append(1)
        raise StepFailed("the image never became healthy")

    state = run(work, retries=2)
    assert state.is_failed()
    assert len(attempts) == 1


def test_a_failure_is_told_in_its_sentence_without_a_traceback() -> None:
    def work() -> None:
        raise StepFailed("migrate failed", where="systech@host:22", state="runs 1, as before")

    state = run(work)
    assert "systech@host:22: migrate failed" in state.message
    assert "runs 1, as before" in state.message
    text = "\n".join(logs_of(state.state_details.flow_run_id))
    assert "migrate failed" in text
    assert "Traceback" not in text


def logs_of(run_id) -> list[str]:
    """The run's log lines, once the shipping thread has sent them."""
    deadline = time.monotonic() + 15
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            found = client._client.post(
                "/logs/filter",
                json={"logs": LogFilter(flow_run_id={"any_": [run_id]}).model_dump(mode="json")},
            ).json()
            if any("migrate failed" in line["message"] for line in found):
                return [line["message"] for line in found]
            time.sleep(0.3)
    return []
