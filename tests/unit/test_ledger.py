"""The ledger: a chain of lines, and which of them a rollback means."""

from __future__ import annotations

import hashlib

import pytest

from deployments.canonical import canonical
from deployments.errors import Refused
from deployments.history.ledger import FIRST, Ledger, Revision, seq_of


def test_an_empty_ledger():
    ledger = Ledger(())
    assert (ledger.next_seq, ledger.tip, ledger.broken_at()) == (1, FIRST, None)
    assert FIRST == "0" * 64


def test_a_line_covers_the_one_before(world):
    ledger = world.ledger(world.line(1), world.line(2))
    assert ledger.lines[0].prev == FIRST
    assert ledger.lines[1].prev == hashlib.sha256(ledger.raw[0].encode()).hexdigest()
    assert ledger.tip == hashlib.sha256(ledger.raw[1].encode()).hexdigest()
    assert (ledger.next_seq, ledger.broken_at()) == (3, None)


def test_a_line_is_canonical_json(world):
    text = world.line(1, who="Жанна@laptop").to_json()
    assert text.startswith(
        '{"account":"","approval":null,"at":"2030-01-01T00:00:00Z","backup":null,"link":"","manifest":'
    )
    assert "Жанна" in text
    assert canonical({"b": 1, "a": [1, 2]}) == '{"a":[1,2],"b":1}'


def test_a_changed_line_breaks_the_chain_after_it(world):
    good = world.ledger(*(world.line(n) for n in (1, 2, 3)))
    changed = (good.raw[0], good.raw[1].replace("alice", "mallory"), good.raw[2])
    assert Ledger(changed).broken_at() == 3


def test_a_line_that_was_taken_out_is_noticed(world):
    good = world.ledger(*(world.line(n) for n in (1, 2, 3)))
    assert Ledger((good.raw[0], good.raw[2])).broken_at() == 2
    assert Ledger(good.raw[1:]).broken_at() == 1


@pytest.mark.parametrize("torn", ['{"v":1,"seq":', "", "[]", "{}"])
def test_a_line_that_is_none_breaks_the_chain_there(world, torn):
    good = world.ledger(world.line(1))
    assert Ledger((*good.raw, torn)).broken_at() == 2


def test_good_releases_are_the_verified_ones_once_each_in_order(world):
    first = world.line(1).release
    ledger = world.ledger(
        world.line(1),
        world.line(2, outcome="undone"),
        world.line(3, outcome="failed"),
        world.line(4),
        world.line(5, release=first, verb="rollback"),
    )
    assert [line.seq for line in ledger.good()] == [5, 4]


@pytest.fixture
def three(world):
    first, third = world.line(1), world.line(3, previous=world.line(1).release)
    undone = world.line(2, outcome="undone", previous=first.release)
    return world.ledger(first, undone, third, world.line(4, previous=third.release))


def test_previous_is_the_good_release_before_the_current_one(three):
    lines = three.lines
    assert three.target("previous", lines[3].release).release == lines[2].release
    assert three.target("previous", lines[2].release).release == lines[0].release


def test_previous_after_a_way_back_and_forth_is_not_the_same_again(world):
    """4 is the images of 3 again, deployed when 1 ran: what ran before it is 1."""
    one, three = world.line(1), world.line(3, previous=world.line(1).release)
    back = world.line(4, verb="rollback", release=one.release, previous=three.release)
    again = world.line(5, manifest=three.manifest, previous=one.release)
    ledger = world.ledger(one, three, back, again)
    assert ledger.target("previous", again.release).release == one.release
    assert ledger.target("previous", three.release).release == one.release


def test_nothing_comes_before_the_first(three):
    current = three.lines[0].release
    with pytest.raises(Refused) as caught:
        three.target("previous", current)
    assert caught.value.what == "there is no earlier release to roll back to"
    assert caught.value.state == f"runs {current}, unchanged"


def test_previous_on_a_host_without_a_release():
    with pytest.raises(Refused) as caught:
        Ledger(()).target("previous", None)
    assert caught.value.state == "runs no release of ours"


@pytest.mark.parametrize("shape", ["release", "manifest"])
def test_a_release_is_named_by_its_id_or_its_manifest(three, shape):
    wanted = getattr(three.lines[0], shape)
    assert three.target(wanted, three.lines[3].release).seq == 1


def test_of_one_manifest_deployed_twice_the_newest_is_meant(world):
    again = {"manifest": "prod-sha-00000000000a"}
    ledger = world.ledger(
        world.line(1, release="1-prod-sha-00000000000a", **again),
        world.line(2, release="2-prod-sha-00000000000a", **again),
        world.line(3),
    )
    assert ledger.target(again["manifest"], ledger.lines[2].release).seq == 2


def test_a_release_has_its_name_after_a_newer_ones_migration_ran_alone(world):
    """Found by the matrix of faults: that line names the manifest whose migration it was."""
    one, two = world.line(1), world.line(2, previous=world.line(1).release)
    alone = world.line(3, verb="migrate", release=one.release, manifest=two.manifest)
    ledger = world.ledger(one, two, alone)
    assert ledger.target(one.manifest, two.release) == ledger.lines[2]


@pytest.mark.parametrize("shape", ["release", "manifest"])
def test_the_current_release_is_no_target(three, shape):
    line = three.lines[3]
    wanted = getattr(line, shape)
    with pytest.raises(Refused) as caught:
        three.target(wanted, line.release)
    assert caught.value.what == f"release {wanted} is the one that runs"


def test_an_undone_release_is_no_target(three):
    undone = three.lines[1].release
    with pytest.raises(Refused, match=f"no release '{undone}' that was deployed and verified"):
        three.target(undone, three.lines[3].release)


def test_releases_to_choose_from_stand_newest_first_with_their_days(world):
    lines = [world.line(n, at=f"2030-01-{n:02}T10:00:00Z") for n in range(1, 8)]
    with pytest.raises(Refused) as caught:
        world.ledger(*lines).target("9", lines[6].release)
    days = [f"{lines[n - 1].release} (2030-01-{n:02})" for n in (6, 5, 4, 3, 2)]
    assert caught.value.todo == f"choose one of: {', '.join(days)}"


def test_an_unknown_release_lists_the_nearest(three):
    with pytest.raises(Refused) as caught:
        three.target("1-prod-sha-000000000002", three.lines[3].release)
    assert caught.value.what == (
        "there is no release '1-prod-sha-000000000002' that was deployed and verified here"
    )
    assert caught.value.todo.startswith("choose one of: ")
    assert three.lines[0].release in caught.value.todo
    assert three.lines[1].release not in caught.value.todo


def test_an_unknown_release_in_an_empty_ledger():
    with pytest.raises(Refused) as caught:
        Ledger(()).target("1-prod-sha-000000000002", None)
    assert caught.value.todo == "deploy a release first"


def test_the_number_of_a_release():
    assert seq_of("12-prod-sha-0123456789ab") == 12


@pytest.mark.parametrize(
    ("text", "said", "todo"),
    [
        ('{"v":1,"seq":2', "line 2 of releases.jsonl is no line of a ledger", "put the line back"),
        ("not json", "is no line of a ledger", "put the line back"),
        ('{"v":2,"seq":2}', "is of version 2, and this homeguru reads version 1", "upgrade"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_sentence(world, text, said, todo):
    broken = Ledger((*world.ledger(world.line(1)).raw, text))
    for ask in (lambda: broken.lines, lambda: broken.next_seq, lambda: broken.good()):
        with pytest.raises(Refused) as refused:
            ask()
        assert said in refused.value.what
        assert todo in refused.value.todo
    assert broken.broken_at() == 2


def test_the_revision_is_what_the_last_run_that_knew_one_left(world):
    unknown = Revision(before=None, after=None)
    lines = (world.line(1), world.line(2, revision=unknown))
    assert world.ledger(*lines).revision == "0002"
    assert Ledger(()).revision is None
