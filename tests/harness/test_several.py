"""verify-several: one look ends no other one."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from prefect import runtime

import flows.verify_several as several
from deployments.errors import Interrupted, Refused, StepFailed

pytestmark = pytest.mark.harness


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What is looked at: each environment is called for what becomes of it."""
    seen: list[str] = []

    @contextmanager
    def operation(verb, environment, by):
        assert verb == "verify"
        seen.append(environment)
        yield environment

    def watch(environment):
        if environment == "locked":
            return {"outcome": "skipped"}
        if environment != "well":
            raise {
                "ill": StepFailed("verification failed: api"),
                "unknown": Refused("no environment unknown"),
                "defect": ValueError("not thought of"),
                "stopped": Interrupted("cancelled"),
            }[environment]
        return {"outcome": "ok"}

    monkeypatch.setattr(several, "operation", operation)
    monkeypatch.setattr(several, "watch", watch)
    return seen


@pytest.mark.parametrize(
    ("environments", "name"),
    [(["well"], "verify well"), (["well"] * 5, "verify well, well, well and 2 more")],
)
def test_a_run_is_named_for_what_it_verifies(asked, environments, name, monkeypatch) -> None:
    named = []
    monkeypatch.setattr(
        several, "watch", lambda _: named.append(runtime.flow_run.name) or {"outcome": "ok"}
    )
    several.verify_several(environments)
    assert set(named) == {name}


def test_the_outcome_of_each_is_the_result(asked) -> None:
    assert several.verify_several(["well", "locked"]) == {
        "outcomes": {"well": "ok", "locked": "skipped"}
    }


def test_whatever_ends_one_look_the_others_take_place(asked, caplog) -> None:
    state = several.verify_several(["ill", "unknown", "defect", "well"], return_state=True)
    assert asked == ["ill", "unknown", "defect", "well"]
    assert state.is_failed()
    assert "verification failed: ill, unknown, defect" in state.message
    # A person's mistake is a sentence; a defect has its traceback.
    assert "no environment unknown" in caplog.text
    assert "ValueError: not thought of" in caplog.text


def test_an_interrupt_ends_the_run(asked) -> None:
    state = several.verify_several(["stopped", "well"], return_state=True)
    assert (asked, state.is_failed()) == (["stopped"], True)
