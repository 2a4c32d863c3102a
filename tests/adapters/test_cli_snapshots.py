"""What a person sees at a terminal of 80 columns, with colours and without.

RENEW=1 writes the files again. In those with colours a mark such as `<red>` stands for what a
terminal obeys, and `</>` for its end.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from deployments.errors import (
    HomeguruError,
    Interrupted,
    Locked,
    Refused,
    StepFailed,
    Unreachable,
    WrongUse,
)
from deployments.history.audit import PrefectRun, described_by, join
from deployments.history.deploys import Period
from deployments.history.ledger import Approval, Line
from deployments.history.metrics import delivery_metrics
from infra.cli import layout, outcome, show

FOLDER = Path(__file__).with_name("snapshots")
MARKS = {"0": "</>", "1": "<bold>", "31": "<red>", "32": "<green>", "1;31": "<bold red>"}
WIDE = 80


def lines_of(world: Any) -> list[Line]:
    """Half a month of an environment: a release, one that failed, its repair, and a way back."""
    names = [
        f"production-sha-{commit}" for commit in ("4f2c910b7d3e", "9a01bc77e214", "c3d8805f1a69")
    ]
    first = world.line(
        11, at="2030-03-04T09:12:40Z", manifest=names[0], release=f"11-{names[0]}", who="anna",
        origin="actions", seconds=41.2,
    )  # fmt: skip
    second = world.line(
        12, at="2030-03-11T15:40:02Z", manifest=names[1], release=f"12-{names[1]}", who="boris",
        previous=first.release, origin="actions", seconds=63.0, outcome="undone",
        problem="deploy@203.0.113.7:22: verification failed: api outside: 502 from https://api.example.org/health",
    )  # fmt: skip
    third = world.line(
        13, at="2030-03-11T16:25:31Z", manifest=names[2], release=f"13-{names[2]}", who="boris@desk",
        previous=first.release, seconds=57.9,
        approval=Approval(who="anna", reason="drops the column that nothing reads since release 11"),
    )  # fmt: skip
    back = world.line(
        14, at="2030-03-18T08:03:19Z", verb="rollback", manifest=names[0], release=first.release,
        previous=third.release, who="anna@laptop", seconds=22.4,
    )  # fmt: skip
    return [first, second, third, back]


def status(world: Any) -> None:
    services = [
        ("postgres", "running", "healthy"), ("edge", "running", "healthy"),
        ("api", "running", "unhealthy"), ("frontend", "running", "healthy"),
        ("bot", "restarting", None),
    ]  # fmt: skip
    document = {
        "environment": "production", "release": "11-production-sha-4f2c910b7d3e",
        "since": "2030-03-18T08:03:19Z", "by": "anna@laptop, cli",
        "maintenance": None,
        "commit": "4f2c910b7d3e5a60c1f27e88d94b03a1f6e2c7d5", "database_revision": "a1b2c3d40002",
        "urls": {"api": "https://api.example.org", "frontend": "https://example.org"},
        "services": [
            {"name": name, "state": state, "health": health, "digest": world.digest(name)}
            for name, state, health in services
        ],
    }  # fmt: skip
    show.status(
        document,
        ["run 0d9f6c1e of 2030-03-19T10:00:00Z never ended (release 15-production-sha-77aa01bc9d20): "
         "a deploy of that release finishes it, a deploy of another one undoes it first"],
    )  # fmt: skip


def history(world: Any) -> None:
    lines = lines_of(world)
    run = PrefectRun("run-x", "deploy", "CRASHED", "ui:carol", "2030-03-19T10:00:00Z", "", "")
    entries = described_by(
        join(lines, [run]), {lines[0].manifest: "Answer the search of the catalogue from its index"}
    )
    show.history(entries, lines[-1].release)


def plan_first(world: Any) -> None:
    show.plan(world.plan(world.target(), world.bare))


def plan_update(world: Any) -> None:
    show.plan(world.plan(world.target(api="api-2"), world.settled()))


def plan_nothing(world: Any) -> None:
    show.plan(world.plan(world.target(), world.settled()))


def metrics(world: Any) -> None:
    lines = lines_of(world)
    folder = lines[0].model_copy(
        update={"seq": 15, "run": "run-15", "at": "2030-03-20T10:00:00Z", "previous": None,
                "manifest": "production-src-0f3e5577aa10", "release": "15-production-src-0f3e5577aa10"}
    )  # fmt: skip
    created = {
        lines[0].manifest: "2030-03-04T08:30:00Z", folder.manifest: "2030-03-20T06:00:00Z",
    }  # fmt: skip
    period = Period(datetime(2030, 3, 20, 12, tzinfo=UTC), 90)
    show.metrics("production", delivery_metrics([*lines, folder], created, period))


def metrics_none(world: Any) -> None:
    period = Period(datetime(2030, 3, 20, 12, tzinfo=UTC), 90)
    show.metrics("production", delivery_metrics([], {}, period))


ERRORS = {
    HomeguruError: HomeguruError("something did not work", todo="run the same command again"),
    WrongUse: WrongUse(
        "no environment prodution", state="not contacted", todo="did you mean production? --env production",
    ),
    Refused: Refused(
        "there is no earlier release to roll back to", where="deploy@203.0.113.7:22",
        state="runs 1-production-sha-4f2c910b7d3e, unchanged",
        todo="publish the commit that you want, and deploy it",
    ),
    Locked: Locked(
        "environment production is being changed: deploy by anna since 2030-03-18T08:03:19Z (run 0d9f6c1e)",
        state="as that run leaves it; this one changed nothing",
        todo="wait for it to end, or set lock_wait in the environment's file",
    ),
    StepFailed: StepFailed(
        "migrate failed:\nsqlalchemy.exc.ProgrammingError: column \"price\" does not exist",
        where="deploy@203.0.113.7:22", state="runs 11-production-sha-4f2c910b7d3e as before",
        todo="correct the cause, then run the same command again",
    ),
    Unreachable: Unreachable(
        "the connection timed out", where="deploy@203.0.113.7:22", state="not contacted",
        todo="is the server up? homeguru doctor --env production",
    ),
    Interrupted: Interrupted(
        "stopped by SIGINT", state="runs 11-production-sha-4f2c910b7d3e as before",
        todo="run the same command again",
    ),
}  # fmt: skip


def errors(_: Any) -> None:
    for error in ERRORS.values():
        outcome._tell(error, outcome._red("Error:"))


SCENES: dict[str, Callable[[Any], None]] = {
    scene.__name__: scene
    for scene in (
        status, history, plan_first, plan_update, plan_nothing, metrics, metrics_none, errors,
    )
}  # fmt: skip


@pytest.fixture
def seen(world, monkeypatch) -> Callable[..., str]:
    """What a terminal gets of a scene; more: variables of its environment."""

    def look(scene: str, **more: str) -> str:
        out = io.StringIO()
        variables = {"TERM": "xterm", "COLUMNS": str(WIDE), "LINES": "24", **more}
        for name in ("console", "errors"):
            terminal = Console(
                file=out, force_terminal=True, highlight=False, soft_wrap=True, _environ=variables
            )
            monkeypatch.setattr(layout, name, terminal)
        monkeypatch.setattr(outcome, "sys", SimpleNamespace(stderr=out, stdout=out, argv=[]))
        SCENES[scene](world)
        # A plan's changes with every word of a script.
        return re.sub(r"(?<=Fingerprint )[0-9a-f]{12}", "0123456789ab", out.getvalue())

    return look


def kept(name: str, text: str) -> str:
    file = FOLDER / f"{name}.txt"
    if os.environ.get("RENEW"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    return file.read_text()


def marked(text: str) -> str:
    return re.sub(r"\x1b\[([\d;]*)m", lambda match: MARKS[match[1]], text)


@pytest.mark.parametrize("scene", SCENES)
def test_without_colours(scene: str, seen) -> None:
    text = seen(scene, TERM="dumb")
    assert "\x1b" not in text
    assert text == kept(scene, text)


@pytest.mark.parametrize("scene", SCENES)
def test_with_colours(scene: str, seen) -> None:
    text = marked(seen(scene))
    assert text == kept(f"{scene}.colours", text)
    # But for the marks it is the text without colours.
    assert re.sub("|".join(MARKS.values()), "", text) == seen(scene, TERM="dumb")


@pytest.mark.parametrize("scene", SCENES)
def test_no_color_leaves_nothing_but_bold(scene: str, seen) -> None:
    assert set(re.findall(r"\x1b\[([\d;]*)m", seen(scene, NO_COLOR="1"))) <= {"0", "1"}


@pytest.mark.parametrize("scene", sorted(set(SCENES) - {"errors"}))
def test_it_fits(scene: str, seen) -> None:
    """An error holds commands to be copied: the terminal breaks its lines."""
    text = seen(scene, TERM="dumb")
    assert [line for line in text.splitlines() if len(line) > WIDE] == []


def test_every_class_of_errors_is_seen_once() -> None:
    def below(kind: type[HomeguruError]) -> set[type[HomeguruError]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    ours = {kind for kind in below(HomeguruError) if kind.__module__ == "deployments.errors"}
    assert set(ERRORS) == ours
    assert all(type(error) is kind for kind, error in ERRORS.items())
