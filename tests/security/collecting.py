"""Reads every channel of a story and searches it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from infra.engine.client import docker
from tests.e2e.conftest import say
from tests.security import channels
from tests.security.guarded import Guarded
from tests.security.searching import Finding, Piece, Searcher
from tests.security.story import Story
from tests.security.watching import Watch


@dataclass(frozen=True)
class Evidence:
    """What was found, by whom it was searched, and how many processes were seen."""

    findings: list[Finding]
    searcher: Searcher
    starts: dict[str, int]


def known_layers() -> set[str]:
    """Layers of images that this machine has: sha256 of their contents."""
    ids = docker("images", "-aq", "--no-trunc").split()
    shape = "{{range .RootFS.Layers}}{{.}} {{end}}"
    done = subprocess.run(
        ["docker", "image", "inspect", "-f", shape, *set(ids)],
        capture_output=True,
        text=True,
        check=False,
    )
    return {layer.removeprefix("sha256:") for layer in done.stdout.split()}


def gathered(world: Guarded, story: Story, watch: Watch, known: set[str]) -> Evidence:
    """Read and search it all; prints what each channel was."""
    searcher, begin, findings = Searcher(world.maker.made, known), time.monotonic(), []
    spent: dict[str, float] = {}
    for piece in pieces(world, story, watch):
        before = time.monotonic()
        findings += searcher.search(piece)
        spent[piece.channel] = spent.get(piece.channel, 0) + time.monotonic() - before
    for channel, count in searcher.pieces.items():
        size, skipped = searcher.bytes[channel] / 1e6, searcher.skipped[channel] / 1e6
        before = f", {skipped:.0f} MB from before" if skipped else ""
        say(f"{channel}: {count} pieces, {size:.1f} MB{before}, {spent[channel]:.0f} s")
    say(f"process starts: {watch.counts}; read and searched in {time.monotonic() - begin:.0f} s")
    return Evidence(findings, searcher, watch.counts)


def pieces(world: Guarded, story: Story, watch: Watch) -> Iterator[Piece]:
    """Everything that came out."""
    info = world.info
    history = world.state / "prefect" / "prefect.db"
    yield from chain(
        world.printed,
        watch.pieces(),
        channels.database("prefect database", history),
        channels.folder("state files", world.state),
        channels.folder("workflow files", story.runner),
        deployer_files(world),
        channels.stand_in(info.telegram_control_url),
        (Piece("notices", f"hook {n}", body) for n, body in enumerate(world.notified)),
        world.bucket.pieces() if world.bucket else (),
        channels.server_files(info.server),
        channels.registry_files(f"{info.project}-registry"),
        channels.images(info.registry),
        *(
            channels.container_logs(f"{info.project}-{name}")
            for name in ("server", "registry", "telegram")
        ),
    )


def deployer_files(world: Guarded) -> Iterator[Piece]:
    """What else lies on the deployer: home, temporary files, environments, the application's repository."""
    own = ("state/", "runner/", "served/")
    for piece in channels.folder("deployer files", world.folder):
        if not piece.place.startswith(own):
            yield piece
