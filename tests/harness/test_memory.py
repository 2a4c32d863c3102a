"""What looks remember on a Prefect server, and how rarely they write there."""

from __future__ import annotations

import pytest
from prefect.variables import Variable

from deployments.health.alerts import Memory
from infra.orchestration.flow import memory
from infra.orchestration.flow.memory import Remembered

pytestmark = pytest.mark.harness


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """The names of the variables that were written."""
    names: list[str] = []
    real = Variable.set
    monkeypatch.setattr(memory, "named", lambda url: url)
    monkeypatch.setattr(
        Variable, "set", lambda name, *a, **b: (names.append(name), real(name, *a, **b))[1]
    )
    return names


def test_a_look_that_finds_nothing_new_writes_nothing(written) -> None:
    first = Remembered("shop-1")
    first.save(first.load().model_copy(update={"restarts": {"abc": 1}}))
    assert written == ["homeguru_watch_shop_1"]

    second = Remembered("shop-1")
    found = second.load()
    assert found == Memory(restarts={"abc": 1})
    second.save(found)
    assert len(written) == 1
    second.save(found.model_copy(update={"restarts": {"abc": 2}}))
    assert Remembered("shop-1").load().restarts == {"abc": 2}


def test_many_problems_of_many_services_find_room_on_the_server(written) -> None:
    """A variable takes 5,000 characters: a look in a large outage ended with a traceback."""
    keys = [f"service-{n} {check}" for n in range(60) for check in ("healthy", "restarts", "http")]
    outage = Memory(
        since=1.0, bad=tuple(keys), told=tuple(keys), begun=dict.fromkeys(keys, (1764550000.0,) * 4),
        restarts={f"{n:012x}": n for n in range(60)},
    )  # fmt: skip
    Remembered("outage").save(outage)
    assert Remembered("outage").load() == outage
    assert written == ["homeguru_watch_outage"]


def test_what_finds_no_room_there_is_kept_here(written, monkeypatch) -> None:
    monkeypatch.setattr(memory, "packed", lambda kept: "x" * 6000)
    remembered = Remembered("vast")
    vast = Memory(bad=tuple(f"service-{n} healthy" for n in range(200)))
    remembered.save(vast)
    assert memory.FileMemory("vast").load() == vast


def test_what_was_written_and_is_taken_back_is_written_again(written) -> None:
    """A heal that found the lock held was none."""
    remembered = Remembered("healed")
    before = remembered.load()
    remembered.save(before.model_copy(update={"healed_at": 1.0}))
    remembered.save(before)
    assert Remembered("healed").load().healed_at == 0.0


def test_a_look_with_nothing_to_remember_leaves_nothing(written) -> None:
    remembered = Remembered("nobody")
    remembered.save(remembered.load())
    assert written == []
