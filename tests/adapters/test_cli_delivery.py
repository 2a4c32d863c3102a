"""`metrics` and `status-page`, from what a host answers to what is printed or written."""

from __future__ import annotations

import json
import stat
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from deployments.errors import Refused, WrongUse
from deployments.history.deploys import Period
from deployments.history.ledger import Ledger, Line, Revision
from deployments.host.observation import read_observation
from deployments.release.manifest import Manifest
from infra.cli import app as cli
from infra.cli import delivery as commands
from infra.environment import context
from infra.look import delivery
from infra.machine import sinks

NAMES = [f"prod-sha-00000000000{n}" for n in range(1, 4)]
SECRET = "hunter2-hunter2"


def ledger_line(seq: int, outcome: str = "ok", **more) -> Line:
    return Line(
        seq=seq, at=f"2030-01-0{seq}T10:00:00Z", verb="deploy", manifest=NAMES[seq - 1],
        release=f"{seq}-{NAMES[seq - 1]}", previous=None, outcome=outcome, revision=Revision(),
        who="anna@10.0.0.5", origin="cli", run=f"run-{seq}", seconds=1, steps=(),
        problem=f"203.0.113.9 answered {SECRET}", prev="", **more,
    )  # fmt: skip


def ledger(*lines: Line) -> Ledger:
    raw: tuple[str, ...] = ()
    for line in lines:
        raw += (line.model_copy(update={"prev": Ledger(raw).tip}).to_json(),)
    return Ledger(raw)


@pytest.fixture
def host(monkeypatch, located):
    """A host whose ledger has these lines, and whose clock and ours say 4 January 2030."""
    asked: list[list[str]] = []

    def use(*lines: Line, **changes) -> list[list[str]]:
        manifests = {
            f"releases/{line.release}/manifest.json": Manifest.nothing()
            .model_copy(update={"name": line.manifest, "created": f"{line.at[:10]}T08:00:00Z"})
            .to_json()
            for line in lines
        }
        good = [line for line in lines if line.outcome == "ok"]
        seen = replace(
            read_observation(""), engine="27.0.1", compose="2.30.0", ledger=ledger(*lines),
            current=good[-1].release if good else None,
        )  # fmt: skip
        seen = replace(seen, **changes)

        def files(names: list[str]) -> dict[str, str]:
            asked.append(names)
            return {name: manifests[name] for name in names}

        @contextmanager
        def opened(*_: object):
            yield SimpleNamespace(observe=lambda _: seen, files=files)

        monkeypatch.setattr(delivery, "opened", opened)
        urls = {"api": "https://api.example.org"}
        stack = SimpleNamespace(
            services={}, ordered=(SimpleNamespace(name="api", runs_once=False),)
        )
        assembly = context.Assembly(located(urls=urls), stack, {})
        monkeypatch.setattr(context, "assemble", lambda _: assembly)
        now = datetime(2030, 1, 4, 12, tzinfo=UTC)
        monkeypatch.setattr(commands, "_back_from_now", lambda days: Period(now, days))
        return asked

    return use


def ran(*words: str):
    done = CliRunner().invoke(cli.app, [*words, "--env", "prod"])
    if done.exception:
        raise done.exception
    return done


def test_metrics_are_printed_in_two_columns(host) -> None:
    asked = host(ledger_line(1), ledger_line(2, "undone"), ledger_line(3))
    assert ran("metrics", "--days", "30").stdout == (
        "environment              prod\n"
        "period                   2029-12-06 to 2030-01-04, 30 days, UTC\n"
        "lead time                median 2 h of 2 releases, from the commit\n"
        "deployment frequency     2 deploys in 30 days, median 2 d apart\n"
        "change failure rate      33%, 1 of 3 deploys\n"
        "time to restore service  median 24 h of 1 failure\n"
    )
    assert asked == [[f"releases/{n}-{NAMES[n - 1]}/manifest.json" for n in (1, 2, 3)]]


def test_metrics_as_json(host) -> None:
    host(ledger_line(1))
    said = json.loads(ran("metrics", "--json").stdout)
    assert (said["environment"], said["days"]) == ("prod", 90)
    assert said["lead_time"]["median_seconds"] == 7200
    assert said["time_to_restore_service"]["median_seconds"] is None


def test_an_environment_without_a_ledger_is_asked_for_no_file(host) -> None:
    asked = host()
    assert ran("metrics").stdout.count("none yet") == 4
    assert asked == []


def test_an_edited_ledger_is_told_beside_the_metrics(host) -> None:
    host(
        ledger_line(1), ledger=Ledger((ledger_line(1).model_copy(update={"prev": "0"}).to_json(),))
    )
    done = ran("metrics")
    assert "the ledger was edited: line 1" in done.stderr
    assert "note" not in done.stdout


def test_the_page_is_written_whole_for_others_to_read(host, tmp_path) -> None:
    host(ledger_line(1), ledger_line(2, "undone"))
    file = tmp_path / "status.html"
    file.write_text("before")
    done = ran("status-page", "--output", str(file))
    assert done.stdout == ""
    text = file.read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert stat.S_IMODE(file.stat().st_mode) & 0o044
    assert list(tmp_path.iterdir()) == [file]
    for words in ("<h1>prod</h1>", "2030-01-01 10:00 UTC", "1 ok, 1 undone, on 2 of 90 days", "no container"):  # fmt: skip
        assert words in text, words


def test_the_page_goes_to_stdout_without_a_file(host) -> None:
    host(ledger_line(1))
    text = ran("status-page").stdout
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    # A terminal's markup and width are no matter of a page.
    assert '<meta charset="utf-8">\n' in text


def test_the_page_says_nothing_of_failures_secrets_or_how_the_server_is_reached(host) -> None:
    sinks.hide([SECRET])
    line = ledger_line(1).model_copy(update={"who": f"{SECRET}@10.0.0.5"})
    host(line, ledger_line(2, "failed"))
    text = ran("status-page").stdout
    for words in (SECRET, "203.0.113.9", "10.0.0.5", "/srv/homeguru", "deploy@h", "keys/id"):
        assert words not in text, words
    assert "https://api.example.org" in text


def test_where_no_file_can_be_put_is_told_before_the_server_is_asked(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(context, "assemble", lambda _: pytest.fail("the server is asked"))
    with pytest.raises(WrongUse, match="no folder"):
        ran("status-page", "--output", str(tmp_path / "none" / "x.html"))


def test_a_file_that_cannot_be_written_is_told(host, tmp_path) -> None:
    host(ledger_line(1))
    with pytest.raises(WrongUse, match="is a folder"):
        ran("status-page", "--output", str(tmp_path))
    with pytest.raises(WrongUse, match="cannot be written: File name too long"):
        ran("status-page", "--output", str(tmp_path / ("x" * 253)))
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_of_one_environment_alone(host) -> None:
    host(ledger_line(1), environment="staging")
    with pytest.raises(Refused, match="staging"):
        ran("status-page")
