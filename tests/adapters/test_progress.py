"""How far a pull and a push are: shown on a terminal at once, in a log now and then, asked for late."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from rich.console import Console

from deployments.image_name import read
from infra.cli import terminal
from infra.cli.terminal import TerminalProgress
from infra.machine import progress
from infra.publish import bake
from infra.run import pull_progress
from infra.run.pull_progress import following, layer_sizes

HOST = "ghcr.io"
API, HUB = f"{HOST}/acme/api@sha256:{'1' * 64}", f"docker.io/library/postgres@sha256:{'2' * 64}"
NAMES = {API: "api", HUB: "postgres"}
A, B = "a" * 64, "b" * 64


class Watcher:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def begin(self, name: str) -> None: ...

    def line(self, text: str) -> None: ...

    def progress(self, text: str) -> None:
        self.shown.append(text)

    def end(self, name: str, seconds: float, problem: str) -> None: ...


class Images:
    """A registry's manifests; counts how often it is asked."""

    def __init__(self, **manifests: dict[str, Any]) -> None:
        self._manifests, self.asked = manifests, []

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        self.asked.append((repository, digest))
        return self._manifests.get(digest[7:8], {})


def layers(**sizes: object) -> dict[str, Any]:
    return {"layers": [{"digest": f"sha256:{n * 64}", "size": s} for n, s in sizes.items()]}


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Watcher:
    found = Watcher()
    monkeypatch.setattr(progress, "_watcher", found)
    return found


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_registry_is_asked_for_sizes_once_a_pull_takes_long(watcher, monkeypatch) -> None:
    monkeypatch.setattr(pull_progress, "SHOWN_AFTER", 0.05)
    images = Images(**{"1": layers(a=41_000_000, b=77_000_000)})
    with following(images, HOST, NAMES, [API, HUB]) as see:  # type: ignore[arg-type]
        for line in (f"{API} {A[:12]}", f"{API} {B[:12]}", f"{HUB} {'c' * 12}"):
            see(f"layer {line}: Pulling fs layer")
        assert watcher.shown[-1] == "api 0 of 2 layers, postgres 0 of 1 layers"
        wait_for(lambda: "MB" in watcher.shown[-1])
        see(f"layer {API} {A[:12]}: Download complete")
        see("revision =MQ==")
    assert watcher.shown[-1] == "api 41 of 118 MB, postgres 0 of 1 layers"
    # Not the world's own registry.
    assert images.asked == [("acme/api", f"sha256:{'1' * 64}")]


def test_a_short_pull_asks_nobody(watcher) -> None:
    images = Images()
    with following(images, HOST, NAMES, [API]) as see:  # type: ignore[arg-type]
        see(f"layer {API} {A[:12]}: Pulling fs layer")
    assert images.asked == []


def test_a_registry_that_fails_leaves_layers(watcher, monkeypatch) -> None:
    monkeypatch.setattr(pull_progress, "SHOWN_AFTER", 0.05)
    asked = []

    class Broken:
        def manifest(self, *words: str) -> dict[str, Any]:
            asked.append(words)
            raise RuntimeError("closed")

    with following(Broken(), HOST, NAMES, [API]) as see:  # type: ignore[arg-type]
        see(f"layer {API} {A[:12]}: Pulling fs layer")
        wait_for(lambda: asked)
    assert watcher.shown == ["api 0 of 1 layers"]


def test_where_nobody_watches_nothing_is_followed() -> None:
    with following(Images(), HOST, NAMES, [API]) as see:  # type: ignore[arg-type]
        assert see is None


def test_sizes_of_an_index_are_those_of_all_its_platforms_and_no_others_are_believed() -> None:
    images = Images(
        **{
            "1": {"manifests": [{"digest": f"sha256:{n * 64}"} for n in "345"] + [7]},
            "3": layers(a=1), "4": layers(b=2, c="3", d=True), "5": {"layers": "none"},
        }
    )  # fmt: skip
    sizes = layer_sizes(images, read(API))  # type: ignore[arg-type]
    assert sizes == {f"sha256:{A}": 1, f"sha256:{B}": 2}


def test_a_build_shows_how_far_its_pushes_are(watcher) -> None:
    image = bake.Image("api", "localhost:5000/t/api:in-1", {}, {})
    said: list[str] = []
    follow = bake._followed([image], said.append, None)
    for line in (
        "#9 pushing localhost:5000/t/api:in-1 with docker",
        f"#9 pushing layer {A[:12]} 5.11MB / 9.00MB 0.1s", "#9 DONE 7.0s",
    ):  # fmt: skip
        follow(line)
    assert watcher.shown == ["push api 5 of 9 MB"]
    assert said == []


# -- what a person sees ---------------------------------------------------------------


def test_a_log_gets_a_line_now_and_then_and_only_of_what_is_new(monkeypatch) -> None:
    monkeypatch.setattr(terminal, "_PROGRESS_EVERY", 0.2)
    out = io.StringIO()
    shown = TerminalProgress(Console(file=out, force_terminal=False, width=100))
    shown.begin("pull")
    for megabytes in range(50):
        shown.progress(f"api {megabytes} of 118 MB [x]")
    wait_for(out.getvalue)
    time.sleep(0.5)
    shown.end("pull", 1, "")
    assert out.getvalue().splitlines() == [
        "    pull: api 49 of 118 MB [x]", "  pull                      1.0 s  ok",
    ]  # fmt: skip
    assert "\r" not in out.getvalue()


def test_a_terminal_shows_it_beside_a_step_that_takes_long(monkeypatch) -> None:
    shown = TerminalProgress(Console(file=io.StringIO(), force_terminal=True, width=100))
    shown.begin("pull")
    assert shown._status is not None
    shown.progress("api 1 of 118 MB")
    assert shown._status.status == "pull"
    monkeypatch.setattr(terminal, "SHOWN_AFTER", 0.0)
    shown.progress("api 2 of 118 MB")
    assert "api 2 of 118 MB" in str(shown._status.status)
    shown.end("pull", 1, "")
