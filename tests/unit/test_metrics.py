"""Delivery metrics, each case computed by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from deployments.history.deploys import DeployDay, Period, deploy_days, moment
from deployments.history.metrics import (
    delivery_metrics,
    duration,
    manifest_files,
    read_created,
)
from deployments.release.manifest import Manifest

PERIOD = Period(datetime(2030, 3, 31, 12, tzinfo=UTC), 90)
HOUR, DAY = 3600.0, 86400.0


def measured(lines, created=None, period=PERIOD):
    return delivery_metrics(lines, created or {}, period)


def test_the_period_is_of_whole_days() -> None:
    assert PERIOD.since == datetime(2030, 1, 1, tzinfo=UTC)
    assert (PERIOD.dates[0], PERIOD.dates[-1]) == (date(2030, 1, 1), date(2030, 3, 31))
    assert str(PERIOD) == "2030-01-01 to 2030-03-31, 90 days, UTC"
    assert Period(PERIOD.until, 1).dates == [date(2030, 3, 31)]


def test_four_deploys_one_of_them_undone(world) -> None:
    lines = [
        world.line(1, at="2030-01-10T10:00:00Z"),
        world.line(2, at="2030-01-12T10:00:00Z"),
        world.line(3, at="2030-01-20T10:00:00Z", outcome="undone"),
        world.line(4, at="2030-01-20T12:00:00Z"),
    ]
    created = {
        lines[0].manifest: "2030-01-10T09:00:00Z",
        lines[1].manifest: "2030-01-12T07:00:00Z",
        lines[2].manifest: "2030-01-20T08:00:00Z",
        lines[3].manifest: "2030-01-20T10:30:00Z",
    }
    found = measured(lines, created)
    assert found.lead_times == (1 * HOUR, 3 * HOUR, 1.5 * HOUR)
    assert found.between == (2 * DAY, 8 * DAY + 2 * HOUR)
    assert found.restore_times == (2 * HOUR,)
    assert found.rows() == [
        ("lead time", "median 1 h 30 min of 3 releases, from the commit"),
        ("deployment frequency", "3 deploys in 90 days, median 5 d 1 h apart"),
        ("change failure rate", "25%, 1 of 4 deploys"),
        ("time to restore service", "median 2 h of 1 failure"),
    ]
    assert found.to_dict() == {
        "since": "2030-01-01T00:00:00+00:00", "until": "2030-03-31T12:00:00+00:00", "days": 90,
        "lead_time": {
            "median_seconds": 5400.0, "count": 3, "from_commit": 3, "from_newest_file": 0,
            "unknown": 0,
        },
        "deployment_frequency": {"count": 3, "median_seconds_between": 5 * DAY + HOUR},
        "change_failure_rate": {"rate": 0.25, "failures": 1, "count": 4},
        "time_to_restore_service": {"median_seconds": 7200.0, "count": 1, "not_restored": 0},
    }  # fmt: skip


def test_without_data_there_is_none_yet() -> None:
    found = measured([])
    assert {value for _, value in found.rows()} == {"none yet"}
    said = found.to_dict()
    assert said["lead_time"]["median_seconds"] is None
    assert said["deployment_frequency"] == {"count": 0, "median_seconds_between": None}
    assert said["change_failure_rate"] == {"rate": None, "failures": 0, "count": 0}
    assert json.dumps(said)


def test_one_deploy_has_nothing_before_it(world) -> None:
    line = world.line(1, at="2030-02-01T00:30:00Z")
    found = dict(measured([line], {line.manifest: "2030-02-01T00:00:00Z"}).rows())
    assert found == {
        "lead time": "median 30 min of 1 release, from the commit",
        "deployment frequency": "1 deploy in 90 days",
        "change failure rate": "0%, 0 of 1 deploy",
        "time to restore service": "none yet",
    }


def test_only_failures_are_all_of_the_deploys_and_none_is_restored(world) -> None:
    lines = [
        world.line(1, at="2030-02-01T00:00:00Z", outcome="undone"),
        world.line(2, at="2030-02-02T00:00:00Z", outcome="failed"),
    ]
    found = dict(measured(lines, {lines[0].manifest: "2030-01-31T00:00:00Z"}).rows())
    assert found == {
        "lead time": "none yet",
        "deployment frequency": "none yet",
        "change failure rate": "100%, 2 of 2 deploys",
        "time to restore service": "none yet; 2 not restored yet",
    }


def test_each_failure_lasts_until_the_next_success(world) -> None:
    lines = [
        world.line(1, at="2030-02-01T00:00:00Z", outcome="failed"),
        world.line(2, at="2030-02-01T03:00:00Z", outcome="undone"),
        world.line(3, at="2030-02-01T04:00:00Z"),
        world.line(4, at="2030-02-09T00:00:00Z", outcome="undone"),
    ]
    found = measured(lines)
    assert found.restore_times == (4 * HOUR, 1 * HOUR)
    assert found.unrestored == 1
    assert found.rows()[-1][1] == "median 2 h 30 min of 2 failures; 1 not restored yet"


def test_the_order_of_the_ledger_decides_not_that_of_its_lines_or_clocks(world) -> None:
    lines = [
        world.line(1, at="2030-02-01T00:00:00Z"),
        world.line(2, at="2030-02-02T00:10:00Z", outcome="undone"),
        # From a machine whose clock is a quarter of an hour behind.
        world.line(3, at="2030-02-01T23:55:00Z"),
    ]
    found = measured(lines)
    assert found.restore_times == (0.0,)
    assert measured([lines[2], lines[0], lines[1]]) == found


def test_a_rollback_makes_the_deploy_before_it_a_failure_and_is_none_itself(world) -> None:
    first, second = (
        world.line(1, at="2030-02-01T00:00:00Z"),
        world.line(2, at="2030-02-02T00:00:00Z"),
    )
    back = world.line(
        3, at="2030-02-02T06:00:00Z", verb="rollback", manifest=first.manifest,
        release=first.release, previous=second.release,
    )  # fmt: skip
    found = measured([first, second, back])
    assert (found.deployed, found.deploys, found.failures) == (2, 2, 1)
    assert found.restore_times == (6 * HOUR,)
    # Where something was deployed in between, the rollback is from that.
    third = world.line(4, at="2030-02-03T00:00:00Z", previous=first.release)
    later = back.model_copy(
        update={"seq": 5, "at": "2030-02-03T01:00:00Z", "run": "r5", "previous": third.release}
    )
    found = measured([first, second, third, later])
    assert (found.deploys, found.failures, found.restore_times) == (3, 1, (1 * HOUR,))


def test_a_rollback_that_failed_takes_nothing_back(world) -> None:
    first, second = world.line(1), world.line(2)
    back = world.line(
        3, verb="rollback", release=first.release, previous=second.release, outcome="undone"
    )
    found = measured([first, second, back])
    assert (found.deploys, found.failures, found.unrestored) == (2, 0, 0)


@pytest.mark.parametrize("verb", ["migrate", "adopt", "heal", "restore", "backup", "of-tomorrow"])
def test_what_brings_no_release_is_no_deploy(world, verb: str) -> None:
    found = measured([world.line(1), world.line(2, verb=verb, outcome="failed")])
    assert (found.deployed, found.deploys, found.failures) == (1, 1, 0)


@pytest.mark.parametrize(("verb", "ends"), [("heal", True), ("restore", True), ("migrate", False)])
def test_what_leaves_a_verified_release_restores_service(world, verb: str, ends: bool) -> None:
    lines = [
        world.line(1, at="2030-02-01T00:00:00Z", outcome="failed"),
        world.line(2, at="2030-02-01T01:00:00Z", verb=verb),
    ]
    assert measured(lines).restore_times == ((HOUR,) if ends else ())


def test_the_same_release_again_is_a_deploy_without_a_lead_time(world) -> None:
    """A changed variable is deployed with the commit that runs already."""
    first = world.line(1, at="2030-01-05T00:00:00Z")
    again = world.line(2, at="2030-02-05T00:00:00Z", manifest=first.manifest)
    found = measured([first, again], {first.manifest: "2030-01-04T00:00:00Z"})
    assert (found.deployed, found.lead_times) == (2, (DAY,))


def test_a_killed_run_is_one_failed_deploy_however_many_lines_it_has(world) -> None:
    half = world.line(2, at="2030-02-02T00:00:00Z", outcome="failed")
    undone = world.line(
        3, at="2030-02-02T01:00:00Z", verb="undo", run=half.run, release=half.release,
        outcome="undone",
    )  # fmt: skip
    after = world.line(4, at="2030-02-02T02:00:00Z")
    found = measured([world.line(1), half, undone, after])
    assert (found.deploys, found.failures, found.restore_times) == (3, 1, (2 * HOUR,))
    # One that could write no line of its own.
    found = measured([world.line(1), undone, after])
    assert (found.deploys, found.failures, found.restore_times) == (3, 1, (1 * HOUR,))


def test_a_killed_run_that_the_next_one_ended_well_is_one_deploy(world) -> None:
    half = world.line(1, at="2030-02-02T00:00:00Z", outcome="failed")
    ended = half.model_copy(update={"seq": 2, "at": "2030-02-02T00:30:00Z", "outcome": "ok"})
    found = measured([half, ended])
    assert (found.deployed, found.deploys, found.failures) == (1, 1, 1)
    assert found.restore_times == (HOUR / 2,)


def test_a_killed_rollback_is_no_failed_deploy(world) -> None:
    first = world.line(1)
    undone = world.line(3, verb="undo", release=first.release, outcome="undone")
    found = measured([first, world.line(2), undone])
    assert (found.deploys, found.failures) == (2, 0)


def test_what_lies_before_the_period_does_not_count_though_its_end_may(world) -> None:
    lines = [
        world.line(1, at="2029-12-31T23:59:59Z"),
        world.line(2, at="2029-12-31T23:59:59Z", outcome="undone"),
        world.line(3, at="2030-01-01T00:00:00Z"),
        world.line(4, at="2030-01-02T00:00:00Z", manifest="prod-sha-000000000001"),
    ]
    found = measured(lines, dict.fromkeys(("prod-sha-000000000001",), "2029-12-01T00:00:00Z"))
    assert (found.deployed, found.deploys, found.failures) == (2, 2, 0)
    # The commit of the last one was in production before.
    assert (found.lead_times, found.without_time) == ((), 1)
    assert found.rows()[0][1] == "none yet; 1 release without a record"


def test_a_lead_time_says_from_where_it_is(world) -> None:
    commit = world.line(1, at="2030-02-01T02:00:00Z")
    folder = world.line(2, at="2030-02-01T05:00:00Z", manifest="prod-src-00000000000a")
    ahead = world.line(3, at="2030-02-02T00:00:00Z")
    gone = world.line(4, at="2030-02-03T00:00:00Z")
    created = {
        commit.manifest: "2030-02-01T00:00:00Z", folder.manifest: "2030-02-01T01:00:00Z",
        ahead.manifest: "2030-02-02T00:00:01Z",
    }  # fmt: skip
    found = measured([commit, folder, ahead, gone], created)
    assert found.rows()[0][1] == (
        "median 3 h of 2 releases, 1 from the commit, 1 from the newest file of a folder; "
        "2 releases without a record"
    )


def test_a_line_without_a_time_is_left_out(world) -> None:
    assert measured([world.line(1, at="yesterday")]).deploys == 0


def test_a_day_has_its_runs_by_how_they_ended(world) -> None:
    first = world.line(1, at="2030-03-30T23:59:59Z")
    lines = [
        first,
        world.line(2, at="2030-03-31T00:00:00Z", outcome="undone"),
        world.line(3, at="2030-03-31T01:00:00Z", outcome="failed"),
        world.line(4, at="2030-03-31T02:00:00Z", verb="rollback", release=first.release),
        world.line(5, at="2030-03-31T02:00:00Z", verb="migrate"),
        world.line(6, at="2029-03-31T02:00:00Z"),
    ]
    days = deploy_days(lines, PERIOD)
    assert len(days) == 90
    assert days[-2:] == (
        DeployDay(date(2030, 3, 30), ok=1),
        DeployDay(date(2030, 3, 31), ok=1, undone=1, failed=1),
    )
    assert sum(day.total for day in days) == 4
    assert [str(day) for day in days[-3:]] == ["none", "1 ok", "1 ok, 1 undone, 1 failed"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3599, "1 h"),
        (12000, "3 h 20 min"), (47 * HOUR, "47 h"), (48 * HOUR, "2 d"), (52 * HOUR, "2 d 4 h"),
        (400 * DAY, "400 d"),
    ],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_moment_is_in_utc() -> None:
    expected = datetime(2030, 1, 1, 10, tzinfo=UTC)
    for text in ("2030-01-01T10:00:00Z", "2030-01-01T12:00:00+02:00", "2030-01-01T10:00:00"):
        assert moment(text) == expected
    assert moment("") is None
    assert moment("0001-01-01T00:00:00+14:00") is None


def test_times_of_commits_are_read_from_the_records_that_are_kept(world) -> None:
    manifest = Manifest.nothing().model_copy(
        update={"name": "prod-sha-000000000001", "created": "2030-01-01T00:00:00Z"}
    )
    lines = [world.line(1), world.line(2), world.line(3, release="3-../../etc")]
    names = manifest_files(lines)
    assert names == [f"releases/{line.release}/manifest.json" for line in lines[:2]]
    found = read_created({names[0]: manifest.to_json(), names[1]: "torn"})
    assert found == {"prod-sha-000000000001": "2030-01-01T00:00:00Z"}
