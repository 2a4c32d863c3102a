"""Backups: how they are described, what a restore loses, and which ones go."""

from __future__ import annotations

import json

import pytest

from deployments.database.backups import (
    Backup,
    Contents,
    Made,
    Table,
    chosen,
    expired,
    losses,
    of_release,
    read_backups,
    to_restore,
)
from deployments.environment.policy import BackupPolicy
from deployments.errors import Refused

MB = 2**20


def day(number):
    """The id of a backup that was made on that day of January 2030."""
    return f"203001{number:02}T000000Z"


def backup(number, **changes):
    fields = {
        "id": day(number), "at": f"2030-01-{number:02}T00:00:00Z", "database": "homeguru",
        "release": "1-prod-sha-0123456789ab", "revision": "0002", "reason": "migration",
        "run": "run-1", "server": "16.14", "bytes": MB, "sha256": "ab",
    }  # fmt: skip
    return Backup(**{**fields, **changes})


def backups(*days, **changes):
    return tuple(backup(n, **changes) for n in days)


def contents(reset="", **tables):
    """Tables as rows, inserted, updated, deleted."""
    fields = ("rows", "inserted", "updated", "deleted")
    made = {n: Table(**dict(zip(fields, v, strict=True))) for n, v in tables.items()}
    return Contents(reset=reset, tables=made)


# -- descriptions ---------------------------------------------------------------------


def test_descriptions_are_read_oldest_first():
    text = "\n".join(backup(n).model_dump_json() for n in (3, 1, 2))
    assert [b.id for b in read_backups(text)] == [day(1), day(2), day(3)]


def test_a_description_keeps_what_the_host_wrote():
    said = json.loads(backup(1).model_dump_json())
    said["contents"] = {
        "reset": "2030-01-01 00:00:00+00",
        "tables": {"public.users": {"rows": 3, "inserted": 4, "updated": 2, "deleted": 1}},
    }
    [read] = read_backups(json.dumps(said))
    assert read.contents.tables["public.users"] == Table(rows=3, inserted=4, updated=2, deleted=1)
    assert (read.bytes, read.revision, read.major) == (MB, "0002", "16")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no JSON",
        "{}",
        "[]",
        '{"v":1,"id":"20300101T0000',
        backup(1).model_dump_json().replace('"v":1', '"v":2'),
        backup(1).model_dump_json().replace('"migration"', '"whim"'),
        backup(1).model_dump_json().replace('{"v"', '{"more":1,"v"'),
        backup(1).model_dump_json().replace(day(1), "../../etc"),
    ],
)
def test_a_line_that_is_no_description_is_left_out(line):
    text = f"{backup(1).model_dump_json()}\n{line}\n{backup(2).model_dump_json()}\n"
    assert [b.id for b in read_backups(text)] == [day(1), day(2)]


def test_a_host_without_backups():
    assert read_backups("") == ()


# -- losses ---------------------------------------------------------------------------


def test_the_counters_say_what_was_done_since():
    then = contents(users=(10, 12, 5, 2), messages=(7, 7, 0, 0))
    now = contents(users=(11, 15, 9, 4), messages=(7, 7, 0, 0))
    assert [str(loss) for loss in losses(then, now)] == [
        "users: 3 inserted, 4 updated, 2 deleted since"
    ]


def test_as_many_inserted_as_deleted_is_still_a_loss():
    then, now = contents(users=(10, 10, 0, 0)), contents(users=(10, 13, 0, 3))
    assert [str(loss) for loss in losses(then, now)] == [
        "users: 3 inserted, 0 updated, 3 deleted since"
    ]


def test_nothing_changed():
    same = contents("2029-12-01", users=(10, 12, 5, 2), messages=(0, 0, 0, 0))
    assert losses(same, same) == []
    assert losses(Contents(), Contents()) == []


@pytest.mark.parametrize(("rows", "said"), [(14, "+4"), (7, "-3"), (10, "+0")])
def test_counters_that_were_reset_in_between_leave_the_rows(rows, said):
    then = contents("2029-12-01", users=(10, 12, 5, 2))
    now = contents("2030-01-02", users=(rows, 90, 90, 90))
    assert [str(loss) for loss in losses(then, now)] == [
        f"users: {said} rows since, updates unknown"
    ]


def test_a_counter_that_went_down_is_not_believed():
    """A table that was dropped and made again counts from zero."""
    then, now = contents(users=(10, 12, 5, 2)), contents(users=(13, 13, 0, 2))
    assert [str(loss) for loss in losses(then, now)] == ["users: +3 rows since, updates unknown"]


def test_a_new_table_is_lost_whole():
    then, now = contents(), contents(orders=(2, 3, 1, 1), empty=(0, 0, 0, 0))
    assert [str(loss) for loss in losses(then, now)] == [
        "orders: 3 inserted, 1 updated, 1 deleted since"
    ]


def test_a_table_that_is_gone_is_no_loss():
    """A restore brings it back."""
    assert losses(contents(users=(10, 10, 0, 0)), contents()) == []


def test_losses_are_told_by_table_name():
    now = contents(b=(1, 1, 0, 0), a=(1, 1, 0, 0))
    assert [loss.table for loss in losses(contents(), now)] == ["a", "b"]


# -- which one ------------------------------------------------------------------------


def test_the_newest_and_one_by_its_id():
    known = backups(1, 2, 3)
    assert chosen(known, "newest", "prod") == known[2]
    assert chosen(known, day(1), "prod") == known[0]


def test_a_restore_never_means_the_backup_that_a_restore_made():
    """Asked for again after a failure it would put back just what it was to take away."""
    known = (*backups(1, 2), backup(3, reason="restore"))
    assert to_restore(known, "newest", "prod") == known[1]
    assert to_restore(known, day(3), "prod") == known[2]
    assert chosen(known, "newest", "prod") == known[2]
    with pytest.raises(Refused, match="each was made by a restore") as refused:
        to_restore(known[2:], "newest", "prod")
    assert day(3) in refused.value.todo
    with pytest.raises(Refused, match="there is no backup"):
        to_restore((), "newest", "prod")


def test_an_unknown_one_lists_the_nearest():
    with pytest.raises(Refused) as caught:
        chosen(backups(1, 2), "20300103T000000Z", "prod")
    assert caught.value.what == "there is no backup 20300103T000000Z"
    assert sorted(caught.value.todo.removeprefix("choose one of: ").split(", ")) == [day(1), day(2)]
    assert caught.value.state == "unchanged"


def test_a_name_like_none_lists_the_newest():
    with pytest.raises(Refused) as caught:
        chosen(backups(1, 2, 3, 4, 5, 6), "x", "prod")
    assert caught.value.todo == f"choose one of: {', '.join(day(n) for n in (2, 3, 4, 5, 6))}"


@pytest.mark.parametrize("wanted", ["newest", day(1)])
def test_none_at_all(wanted):
    with pytest.raises(Refused) as caught:
        chosen((), wanted, "prod")
    assert (caught.value.what, caught.value.todo) == (
        "there is no backup", "make one: homeguru backup --env prod",
    )  # fmt: skip


def test_the_backup_of_a_release_is_the_newest_best_with_its_revision():
    release = "1-prod-sha-0123456789ab"
    other = backup(4, release="2-prod-sha-0123456789ab")
    known = (*backups(1, 2), backup(3, revision="0003"), other)
    assert of_release(known, release, "0002") == known[1]
    assert of_release(known, release, "0003") == known[2]
    # A migration alone came between: the release ran on both.
    assert of_release(known, release, "0004") == known[2]
    assert of_release(known, "3-prod-sha-0123456789ab", "0002") is None
    assert of_release((), release, "0002") is None


# -- policy ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "made", "gone"),
    [
        (3, None, []),
        (2, None, [1]),
        (1, None, [1, 2]),
        (3, 4, [1]),
        (2, 4, [1, 2]),
        (1, 4, [1, 2, 3]),
    ],
)
def test_beyond_the_count_the_oldest_go(keep, made, gone):
    """The run's own new backup counts as one."""
    own = Made(day(made)) if made else None
    assert expired(backups(1, 2, 3), BackupPolicy(keep=keep), own) == [day(n) for n in gone]


@pytest.mark.parametrize(("made", "gone"), [(None, [1]), (12, [1]), (13, [1, 2]), (23, [1, 2, 12])])
def test_beyond_the_age_they_go(made, gone):
    """Age is counted from the newest, which the run's own new backup is."""
    own = Made(day(made)) if made else None
    found = expired(backups(1, 2, 12), BackupPolicy(keep_days=10), own)
    assert found == [day(n) for n in gone]


@pytest.mark.parametrize(("keep_mb", "gone"), [(30, []), (29, [1]), (20, [1]), (19, [1, 2])])
def test_beyond_the_size_the_oldest_go(keep_mb, gone):
    known = backups(1, 2, 3, bytes=10 * MB)
    assert expired(known, BackupPolicy(keep_mb=keep_mb), None) == [day(n) for n in gone]


def test_the_newest_always_stays():
    policy = BackupPolicy(keep=1, keep_days=1, keep_mb=1)
    assert expired(backups(1, bytes=50 * MB), policy, None) == []
    assert expired(backups(1, 2, bytes=50 * MB), policy, None) == [day(1)]


def test_the_runs_own_backup_never_goes():
    policy = BackupPolicy(keep=1, keep_days=1, keep_mb=1)
    assert expired(backups(1, 2, bytes=50 * MB), policy, Made(day(2))) == [day(1)]
    assert expired(backups(2, bytes=50 * MB), policy, Made(day(2))) == []


def test_the_runs_own_backup_has_its_size():
    policy, known = BackupPolicy(keep_mb=30), backups(1, 2, bytes=10 * MB)
    assert expired(known, policy, Made(day(3), 10 * MB)) == []
    assert expired(known, policy, Made(day(3), 11 * MB)) == [day(1)]


def test_nothing_goes_where_nothing_is():
    assert expired((), BackupPolicy(), None) == []
    assert expired((), BackupPolicy(), Made(day(1))) == []
