"""Which environments one scheduled run looks at."""

from __future__ import annotations

from deployments.health.looks import ALONE, TOGETHER, Group, divide

FIVE = 300


def every(many: int, seconds: int = FIVE) -> dict[str, int]:
    return {f"e{n:02}": seconds for n in range(1, many + 1)}


def test_few_environments_have_a_schedule_each():
    looks = divide(every(ALONE), (), ())
    assert (sorted(looks.alone), looks.groups) == (sorted(every(ALONE)), ())


def test_one_more_and_they_are_looked_at_together():
    looks = divide(every(ALONE + 1), (), ())
    [group] = looks.groups
    assert (group.name, group.every, len(group.environments)) == ("several-300-1", FIVE, ALONE + 1)
    assert looks.alone == frozenset()
    assert looks.group_of("e01") == "several-300-1"
    assert looks.group_of("another") == ""


def test_no_run_looks_at_more_than_its_share():
    looks = divide(every(2 * TOGETHER + 1), (), ())
    assert [len(g.environments) for g in looks.groups] == [TOGETHER, TOGETHER, 1]
    assert len({g.name for g in looks.groups}) == 3


def test_each_rhythm_is_divided_by_itself():
    looks = divide({**every(ALONE + 1), "daily": 86400, "never": 0}, (), ())
    assert looks.alone == {"daily"}
    assert [g.every for g in looks.groups] == [FIVE]


def test_the_same_environments_stay_as_they_are():
    first = divide(every(25), (), ())
    assert divide(every(25), (), first.groups) == first
    # A name that sorts first moves nobody else to another group.
    more = divide({**every(25), "a": FIVE}, (), first.groups)
    assert more.groups[:2] == first.groups[:2]
    assert more.group_of("a") == "several-300-3"


def test_a_paused_schedule_stays_and_its_environment_is_in_no_group():
    looks = divide(every(8), {"e03"}, ())
    assert looks.alone == {"e03"}
    assert looks.group_of("e03") == ""


def test_an_environment_with_another_rhythm_leaves_its_group():
    before = divide(every(6), (), ()).groups
    looks = divide({**every(6), "e02": 60, "e04": 0}, (), before)
    assert looks.alone == {"e02"}
    assert looks.groups[0].environments == ("e01", "e03", "e05", "e06")


def test_what_another_machine_has_put_into_a_group_stays_there():
    before = (Group("several-300-1", FIVE, ("elsewhere", "e01")),)
    looks = divide({"e01": 0, "e02": FIVE}, (), before)
    assert looks.groups[0].environments == ("elsewhere", "e02")


def test_a_group_with_nobody_in_it_ends():
    before = divide(every(6), (), ()).groups
    assert divide(every(6, seconds=0), (), before).groups == ()


def test_nobody_joins_a_group_that_a_person_paused():
    before = (Group("several-300-1", FIVE, ("e01", "e02"), paused=True),)
    looks = divide(every(3), (), before)
    assert looks.groups[0] == before[0]
    assert looks.group_of("e03") == "several-300-2"


def test_a_paused_group_gets_back_what_prefect_dropped():
    whole = divide(every(15), (), ()).groups
    dropped = (Group("several-300-1", FIVE, (), paused=True), whole[1])
    again = divide(every(15), (), dropped).groups
    assert again[0] == Group("several-300-1", FIVE, whole[0].environments, paused=True)
    assert again[1] == whole[1]


def test_an_environment_in_two_groups_stays_in_the_first():
    twice = (Group("several-300-1", FIVE, ("e01", "e01")), Group("several-300-2", FIVE, ("e01",)))
    assert divide({"e01": FIVE}, (), twice).groups == (Group("several-300-1", FIVE, ("e01",)),)
