"""Letting releases and journals go, under bash."""

from __future__ import annotations

import pytest

from deployments.shell import prune

DIGEST = "sha256:" + "a" * 64


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


def test_images_pulled_for_a_release_that_never_came_go(host):
    """Those that came have a tag."""
    ref = f"r/api@sha256:{'c' * 64}"
    host.write(".pulled-ahead", f"{ref}\n{ref}\n")
    keep = ["1-m1", "2-m2", "3-m3"]
    done = host.run("TAGS=1\nexport TAGS\n" + HEAD + prune.prune(keep, 200).text)
    assert (done.returncode, removed(host)) == (0, []), done.stderr
    host.write(".pulled-ahead", f"{ref}\n{ref}\n")
    done = host.run(HEAD + prune.prune(keep, 200).text)
    assert (done.returncode, removed(host)) == (0, [ref]), done.stderr
    assert not (host.directory / ".pulled-ahead").exists()


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
