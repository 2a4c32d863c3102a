"""From one look to the next: what is told, when, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.health.alerts import DAY, HOUR, Memory, evaluate, restarted
from deployments.health.verification import CheckResult

MINUTE = 60.0
API = CheckResult("api", "outside", ok=False, detail="503 https://api.example.org/health")
BOT = CheckResult("bot", "container", ok=False, detail="exited")
WELL = CheckResult("api", "outside", ok=True, detail="200")


def looks(*steps: tuple[float, list[CheckResult]], memory: Memory | None = None):
    """The kinds of news of some looks, each at a time in seconds."""
    memory, told = memory or Memory(), []
    for at, findings in steps:
        memory, news = evaluate(memory, findings, 1_000_000 + at)
        told.append(news.kind if news else None)
    return memory, told


def test_what_is_well_is_not_told() -> None:
    memory, told = looks((0, [WELL]), (300, [WELL]))
    assert told == [None, None]
    assert memory == Memory()


def test_a_problem_is_told_once_and_so_is_its_end() -> None:
    memory, told = looks((0, [API]), (300, [API]), (600, [API]), (900, [WELL]), (1200, [WELL]))
    assert told == ["down", None, None, "recovered", None]
    assert (memory.since, memory.told) == (0.0, ())


def test_the_news_says_what_and_for_how_long() -> None:
    memory, news = evaluate(Memory(), [API, BOT, WELL], 100.0)
    assert news is not None
    assert news.problems == (
        "api outside: 503 https://api.example.org/health", "bot container: exited"
    )  # fmt: skip
    _, ended = evaluate(memory, [WELL], 100.0 + 25 * MINUTE)
    assert ended is not None
    assert (ended.seconds, ended.problems) == (25 * MINUTE, ("api outside", "bot container"))


def test_a_further_problem_is_told_alone() -> None:
    memory, _ = evaluate(Memory(), [API], 0.0)
    _, news = evaluate(memory, [API, BOT], 300.0)
    assert news is not None
    assert (news.kind, news.problems) == ("worse", ("bot container: exited",))


def test_one_of_two_that_ended_is_no_news() -> None:
    assert looks((0, [API, BOT]), (300, [API]), (600, [WELL]))[1] == ["down", None, "recovered"]


def test_another_detail_of_the_same_check_is_no_news() -> None:
    other = replace(API, detail="502 https://api.example.org/health")
    assert looks((0, [API]), (300, [other]))[1] == ["down", None]


def test_it_is_said_again_after_an_hour_and_then_daily() -> None:
    hour, day = HOUR, DAY
    steps = [(0, [API]), (hour - 1, [API]), (hour, [API]), (2 * hour, [API])]
    steps += [(hour + day - 1, [API]), (hour + day, [API])]
    assert looks(*steps)[1] == ["down", None, "still", None, None, "still"]


def test_what_comes_and_goes_is_told_as_such_and_then_kept_quiet() -> None:
    steps = [(n * 2 * MINUTE, [API] if n % 2 == 0 else [WELL]) for n in range(12)]
    memory, told = looks(*steps)
    assert told[:7] == ["down", "recovered", "down", "recovered", "down", "recovered", "flapping"]
    assert set(told[7:]) == {None}
    _, after = looks((12 * 2 * MINUTE + HOUR, [WELL]), memory=memory)
    assert after == ["recovered"]


def test_a_flapping_check_does_not_hide_another() -> None:
    memory, _ = looks(*[(n * 2 * MINUTE, [API] if n % 2 == 0 else [WELL]) for n in range(8)])
    assert looks((20 * MINUTE, [API, BOT]), memory=memory)[1] == ["worse"]


def test_a_notice_that_was_not_sent_is_told_by_the_next_look() -> None:
    before = Memory()
    memory, news = evaluate(before, [API], 100.0)
    assert news
    _, again = evaluate(memory.untold(before), [API], 400.0)
    assert again is not None
    assert (again.kind, again.seconds) == ("down", 300.0)


def test_an_end_that_was_not_sent_is_told_by_the_next_look() -> None:
    memory, _ = evaluate(Memory(), [API], 100.0)
    after, news = evaluate(memory, [WELL], 300.0)
    assert news
    _, again = evaluate(after.untold(memory), [WELL], 600.0)
    assert again is not None
    # Of how long it was, not of nothing.
    assert (again.kind, again.seconds) == ("recovered", 500.0)


def test_the_memory_survives_its_file() -> None:
    memory, _ = evaluate(Memory(restarts={"0123456789ab": 2}), [API], 5.0)
    assert Memory.model_validate_json(memory.model_dump_json()) == memory


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, []), (1, ["restarted 1 time since the last look"]),
     (3, ["restarted 3 times since the last look"])],
)  # fmt: skip
def test_restarts_since_the_last_look_are_found(world, count: int, said: list[str]) -> None:
    before = {c.id[:12]: 0 for c in world.settled().containers}
    seen = world.settled(containers=world.changed("bot", restarts=count, id="0123456789abcdef"))
    found = restarted(seen, Memory(restarts={**before, "0123456789ab": 0}))
    assert [f.detail for f in found] == said
    assert {f.service for f in found} <= {"bot"}


def test_a_new_container_has_not_been_restarted(world) -> None:
    seen = world.settled(containers=world.changed("bot", restarts=5))
    assert restarted(seen, Memory()) == []
