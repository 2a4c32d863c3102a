"""Which releases stay, and what a real bash removes of the others."""

from __future__ import annotations

import pytest

from deployments import retention
from deployments.commands import prune
from deployments.errors import Refused
from deployments.policy import Retention

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def ledger(world):
    """Six good releases and an undone one, the fifth."""

    def make(undone=5, last=7):
        lines = [
            world.line(n, outcome="undone" if n == undone else "ok") for n in range(1, last + 1)
        ]
        return world.ledger(*lines)

    return make


def names(*numbers):
    return {f"{n}-prod-sha-{n:012x}" for n in numbers}


def test_the_newest_good_ones_stay_and_what_failed_meanwhile(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    found = retention.kept(there, ledger(), names(7), Retention(releases=3))
    assert found == names(4, 5, 6, 7)


def test_what_is_needed_stays_however_old(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    found = retention.kept(there, ledger(), names(1, 7), Retention(releases=2))
    assert names(1, 6, 7) <= found
    assert not names(2, 3, 4) & found


def test_one_that_was_gone_back_to_counts_from_then(world):
    """Found by the matrix of faults: gone back to again and again, and then no longer there."""
    lines = [world.line(n) for n in range(1, 8)]
    back = world.line(8, verb="rollback", release=lines[0].release, manifest=lines[0].manifest)
    ledger = world.ledger(*lines, back, world.line(9), world.line(10, outcome="undone"))
    there = tuple(names(1, 2, 3, 4, 5, 6, 7, 9, 10))
    found = retention.kept(there, ledger, names(9), Retention(releases=2))
    assert found == names(1, 9, 10)


def test_fewer_than_the_policy_all_stay(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    assert retention.kept(there, ledger(), names(7), Retention(releases=6)) == set(there)


def test_a_server_within_the_policy_is_left_alone(world):
    seen = world.settled(releases=("1-x", "2-x"), journals=3)
    plan = world.plan(world.target(api="api-2"), seen)
    assert retention.tidy(world.target(), seen, plan, None) is None


def test_beyond_it_the_script_names_what_stays(world, make_environment, ledger):
    world.environment = make_environment(retention={"releases": 2})
    there = tuple(sorted(names(*range(1, 8))))
    seen = world.settled(releases=there, ledger=ledger(), current="7-prod-sha-000000000007")
    plan = world.plan(world.target(api="api-2"), seen)
    script = retention.tidy(world.target(), seen, plan, None)
    assert script is not None
    assert "prune_releases '2-prod-sha-" in script.text and "7-prod-sha-000000000007" in script.text
    assert "1-prod-sha-000000000001" not in script.text


def test_too_many_journals_alone(world):
    seen = world.settled(journals=200)
    plan = world.plan(world.target(api="api-2"), seen)
    script = retention.tidy(world.target(), seen, plan, None)
    assert script is not None
    assert script.text.endswith("\nprune_journals 200\n")


def test_a_rollback_to_one_that_went_names_those_that_stay(ledger):
    kept = tuple(sorted(names(6, 7)))
    with pytest.raises(Refused) as refused:
        ledger().target("2-prod-sha-000000000002", "7-prod-sha-000000000007", kept)
    assert refused.value.what == "release 2-prod-sha-000000000002 is no longer kept on this server"
    assert refused.value.todo == "choose one that is: 6-prod-sha-000000000006"


def test_its_number_is_name_enough(ledger):
    assert ledger().target("2", "7-prod-sha-000000000007").release == "2-prod-sha-000000000002"


# -- on a host ----------------------------------------------------------------------

HEAD = "say() { printf '%s\\n' \"$*\"; }; project=homeguru; set -euo pipefail\n"


@pytest.fixture
def host(shell):
    """Three releases; the first two share the bot's image. `docker` notes what it is told."""
    for n, api in ((1, "one"), (2, "two"), (3, "three")):
        digest = (api.encode().hex() * 22)[:64]
        lines = f"API_IMAGE='r/api@sha256:{digest}'\nBOT_IMAGE='r/bot@{DIGEST}'\nNAME='x'\n"
        shell.write(f"releases/{n}-m{n}/variables.env", lines)
    shell.program(
        "docker",
        'echo "$*" >> calls\n[ "$1" != image ] || echo "sha256:${5##*@} ${TAGS:-0}"\n'
        '[ "$1" != inspect ] || echo "${USED:-none}"',
    )
    return shell


def removed(host):
    return [line.split()[1] for line in host.read("calls").splitlines() if line.startswith("rmi")]


def test_its_record_its_tags_and_its_own_images_go(host):
    done = host.run(HEAD + prune.prune(["2-m2", "3-m3"], 200).text)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (host.directory / "releases").iterdir()) == ["2-m2", "3-m3"]
    (api,) = [r for r in removed(host) if r.startswith("r/api@")]
    assert api.startswith("r/api@sha256:6f6e65")
    assert set(removed(host)) == {"r/api:release-m1", "r/bot:release-m1", api}


def test_an_image_that_a_kept_release_needs_has_its_tag_before_the_other_one_goes(host):
    """With the last tag Docker may let the image go, its digest too."""
    done = host.run(HEAD + prune.prune(["2-m2", "3-m3"], 200).text)
    assert done.returncode == 0, done.stderr
    calls = host.read("calls").splitlines()
    assert calls.index(f"tag r/bot@{DIGEST} r/bot:release-m2") < calls.index("rmi r/bot:release-m1")


def test_the_tag_of_a_kept_release_of_the_same_manifest_stays(host):
    """One that failed and was deployed again: both numbers have the same tags."""
    host.run("cp -r releases/1-m1 releases/4-m1")
    done = host.run(HEAD + prune.prune(["2-m2", "3-m3", "4-m1"], 200).text)
    assert done.returncode == 0, done.stderr
    assert removed(host) == []


def test_an_image_with_another_tag_stays(host):
    done = host.run("TAGS=1\nexport TAGS\n" + HEAD + prune.prune(["2-m2", "3-m3"], 200).text)
    assert done.returncode == 0, done.stderr
    assert not [r for r in removed(host) if "@" in r]


def test_journals_that_ended_go_oldest_first_and_unfinished_ones_never(host):
    end = '{"at":"x","event":"end","outcome":"ok","step":"run 1-m1","token":"t","v":1}\n'
    for n in range(4):
        host.write(f"journal/{n}.jsonl", end if n else '{"event":"begin","step":"pull"}\n')
        host.run(f"touch -d '2030-01-0{n + 1}' journal/{n}.jsonl")
    done = host.run(HEAD + prune.prune([], 2).text)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (host.directory / "journal").iterdir()) == [
        "0.jsonl", "2.jsonl", "3.jsonl",
    ]  # fmt: skip
    assert (host.directory / "releases" / "1-m1").exists()
