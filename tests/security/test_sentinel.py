"""No secret of an environment comes out anywhere but where it has to be.

`make security-test` tells a server's story with secrets that are random markers, and then searches every
byte that came out: what commands printed, Prefect's history, files of both machines, process words, events
and containers of both engines, the registry, notices, backups. A leak is planted in each of these channels
as well, which the same search has to find.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.allowed import ALLOWED
from tests.security.collecting import Evidence, gathered, known_layers
from tests.security.guarded import Guarded, guarded_world
from tests.security.planted import CHANNELS, PREFIX, WAYS, name_of, plant
from tests.security.searching import Finding, judged
from tests.security.story import Story
from tests.security.watching import Watch

pytestmark = [pytest.mark.e2e, pytest.mark.security]


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_world(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(scope="module")
def evidence(world: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What came out of the whole story, searched."""
    # The secrets are seconds old, and in files alone: no layer that is there already can hold one.
    known = known_layers()
    watch = Watch(world.info.server, tmp_path_factory.mktemp("watch") / "seen")
    try:
        story = Story(world, world.maker.secret("what a user wrote").value)
        story.tell()
        plant(world, story)
    finally:
        watch.end()
    return gathered(world, story, watch, known)


def test_no_secret_is_where_it_does_not_belong(evidence: Evidence) -> None:
    findings = [f for f in evidence.findings if not f.marker.startswith(PREFIX)]
    leaks, unused = judged(findings, ALLOWED)
    assert shown(leaks) == []
    assert [f"{entry.channel}: {entry.place}" for entry in unused] == []


def shown(leaks: list[Finding]) -> list[str]:
    """For people; without the secret itself."""
    return sorted(
        f"{leak.channel}: {leak.place} {leak.mode} {leak.owner} holds {leak.marker} ({leak.how})"
        for leak in leaks
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_planted_leak_is_found(evidence: Evidence, channel: str, way: str) -> None:
    wanted = channel, name_of(channel, way)
    assert [f for f in evidence.findings if (f.channel, f.marker) == wanted]


def test_every_channel_was_read(evidence: Evidence) -> None:
    assert {name for name, size in evidence.searcher.bytes.items() if size} == CHANNELS.keys()


def test_the_words_of_nearly_every_process_were_read(evidence: Evidence) -> None:
    """A process that ends at once may be gone before it is asked; the kernel itself left none out."""
    starts = evidence.starts
    assert starts["ours"] > 1000
    assert starts["missed"] < starts["ours"] / 100
    assert starts["lost"] == 0
