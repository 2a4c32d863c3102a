"""What only looks, at a terminal: which environment, what it refuses, and what Ctrl-C means."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from deployments.errors import Interrupted, Refused, Unreachable, WrongUse
from deployments.history.ledger import Ledger, Line, Revision
from deployments.host.maintenance import Maintenance
from deployments.host.observation import Observation, Project, read_observation
from deployments.shell.probe import Tail
from infra.cli import app as cli
from infra.cli import audit, show
from infra.environment import context
from infra.look import doctor, inspection
from infra.orchestration.api.client import PrefectApi


def stopped(*_: object, **__: object) -> int:
    raise Interrupted("stopped by SIGINT", todo="x")


@pytest.fixture
def looking(monkeypatch):
    """A command that looks, with this in the place of the look."""

    def use(name: str, look) -> None:
        monkeypatch.setattr(inspection, name, look)
        located = SimpleNamespace(file="prod.toml", digest="0123456789ab")
        monkeypatch.setattr(context, "assemble", lambda _: SimpleNamespace(located=located))

    return use


def test_who_stops_following_logs_has_seen_what_they_wanted(looking) -> None:
    looking("logs_of", stopped)
    assert CliRunner().invoke(cli.app, ["logs", "api", "--env", "prod", "-f"]).exit_code == 0


def test_a_limit_of_the_logs_is_told_beside_them(looking) -> None:
    def look(_assembly, _tail, log, note, **_more) -> int:
        log("api-1  | work")
        note("of api-1 no more")
        return 0

    looking("logs_of", look)
    ended = CliRunner().invoke(cli.app, ["logs", "api", "--env", "prod", "--since", "2h"])
    assert (ended.stdout, ended.stderr) == ("api-1  | work\n", "note  of api-1 no more\n")


@pytest.mark.parametrize(
    ("look", "words"),
    [("logs_of", ["logs", "api"]), ("plan_of", ["plan"]), ("status_of", ["status"])],
)
def test_what_was_stopped_before_its_end_is_no_answer(looking, look, words) -> None:
    looking(look, stopped)
    ended = CliRunner().invoke(cli.app, [*words, "--env", "prod"])
    assert isinstance(ended.exception, Interrupted)
    assert ended.exception.exit_code == 1


def test_one_environment_need_not_be_named_and_of_several_one_must(
    looking, monkeypatch, tmp_path
) -> None:
    asked: list[str] = []
    looking("status_of", lambda *_: ({}, []))
    monkeypatch.setattr(context, "assemble", lambda name: asked.append(name))
    monkeypatch.setattr(cli.show, "status", lambda *_: None)
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(tmp_path))
    (tmp_path / "mine.toml").write_text("")
    assert CliRunner().invoke(cli.app, ["status"]).exit_code == 0
    assert asked == ["mine"]
    (tmp_path / "other.toml").write_text("")
    refused = CliRunner().invoke(cli.app, ["status"]).exception
    assert isinstance(refused, WrongUse)
    assert refused.todo == "choose one: --env mine, --env other"


def assembly(located, *services: str):
    known = {name: SimpleNamespace(name=name) for name in services}
    stack = SimpleNamespace(services=known, ordered=tuple(known.values()))
    return context.Assembly(located(), stack, {})


def test_a_service_that_there_is_not_is_told_before_the_server_is_asked(located) -> None:
    with pytest.raises(WrongUse, match="no service 'apo'") as refused:
        inspection.logs_of(assembly(located, "api", "bot"), Tail(("api", "apo"), 10), print, print)
    assert refused.value.todo == "choose one of: api, bot"


def answering(monkeypatch, seen: Observation) -> None:
    """A server that shows this to whoever looks."""

    @contextmanager
    def opened(*_: object):
        yield SimpleNamespace(observe=lambda _: seen)

    monkeypatch.setattr(inspection, "opened", opened)


def test_status_shows_no_containers_of_another_environment(located, monkeypatch) -> None:
    facts = read_observation("")
    seen = Observation(**{
        **vars(facts), "engine": "27.0.1", "compose": "2.30.0",
        "projects": (Project("homeguru", "/srv/other", environment="staging"),),
    })  # fmt: skip

    answering(monkeypatch, seen)
    with pytest.raises(Refused, match="Compose project homeguru is environment staging's"):
        inspection.status_of(assembly(located), print)


def test_a_server_that_is_away_costs_history_seconds(monkeypatch, capsys) -> None:
    """The host's ledger is shown all the same, with a word on what is missing."""
    asked: list[str] = []

    class Away:
        def first_contact(self) -> None:
            asked.append("first")
            raise Unreachable("the Prefect API cannot be reached: x", todo="y")

        def close(self) -> None:
            asked.append("close")

    monkeypatch.setattr(PrefectApi, "from_environment", staticmethod(Away))
    monkeypatch.setattr(
        "infra.orchestration.api.audit.runs_of", lambda *_: pytest.fail("asked with all patience")
    )
    assert audit._joined("prod", Ledger(()), None) == ([], None, None)
    assert asked == ["first", "close"]
    assert "history was not read: the Prefect API cannot be reached" in capsys.readouterr().err


def ledger_line(seq: int, who: str, outcome: str = "ok") -> Line:
    return Line(
        seq=seq, at=f"2030-01-0{seq}T10:11:12Z", verb="deploy", manifest="prod-sha-000000000000",
        release=f"{seq}-prod-sha-000000000000", previous=None, outcome=outcome, revision=Revision(),
        who=who, origin="actions", run=f"run-{seq}", seconds=1, steps=(), prev="",
    )  # fmt: skip


def test_status_says_since_when_and_by_whom(located, monkeypatch, capsys) -> None:
    lines = [ledger_line(1, "alice"), ledger_line(2, "anna"), ledger_line(3, "boris", "undone")]
    seen = replace(
        read_observation(""), engine="27.0.1", compose="2.30.0", current=lines[1].release,
        ledger=Ledger(tuple(line.to_json() for line in lines)),
    )  # fmt: skip

    answering(monkeypatch, seen)
    document, notes = inspection.status_of(assembly(located), print)
    assert (document["since"], document["by"]) == ("2030-01-02T10:11:12Z", "anna, actions")
    show.status(document, notes)
    assert "database revision" not in (printed := capsys.readouterr().out)
    assert "since        2030-01-02 10:11 UTC, by anna, actions" in printed
    show.status({**document, "database_revision": "a1"}, notes)
    assert "database revision  a1" in capsys.readouterr().out


def test_status_says_since_when_the_edge_answers_for_everybody(
    monkeypatch, located, capsys
) -> None:
    noted = Maintenance("2030-01-02T10:11:12Z", "anna", "a bigger disk")
    seen = replace(read_observation(""), engine="27.0.1", compose="2.30.0", maintenance=noted)

    answering(monkeypatch, seen)
    document, notes = inspection.status_of(assembly(located), print)
    assert document["maintenance"] == {
        "since": "2030-01-02T10:11:12Z", "by": "anna", "reason": "a bigger disk",
    }  # fmt: skip
    show.status(document, notes)
    shown = "maintenance  on since 2030-01-02 10:11 UTC by anna: a bigger disk\n"
    assert shown in capsys.readouterr().out


def test_status_is_watched_until_somebody_stops_it(looking, capsys) -> None:
    document = {
        "environment": "prod", "release": "3-x", "since": None, "by": None, "commit": None,
        "maintenance": None, "database_revision": None, "urls": {}, "services": [],
    }  # fmt: skip

    def watch(assembly, log, tell, every) -> None:
        assert every == 2
        tell(document, [])
        tell({**document, "release": "4-x"}, [])
        stopped()

    looking("watch_status", watch)
    ended = CliRunner().invoke(cli.app, ["status", "--watch", "--env", "prod"])
    assert ended.exit_code == 0
    assert [line.split()[1] for line in ended.output.splitlines() if "release" in line] == ["3-x", "4-x"]  # fmt: skip


@pytest.mark.parametrize(
    ("urls", "words", "shown"),
    [
        ({"web": "https://example.org"}, [], "https://example.org"),
        ({"web": "https://example.org", "api": "https://a.example.org"}, ["api"], "https://a.example.org"),
        ({"web": "https://example.org", "api": "https://a.example.org"}, [], "choose one of: web, api"),
        ({"web": "https://example.org"}, ["www"], "has no address 'www'"),
        ({}, [], 'add one below [urls]: web = "https://example.org"'),
    ],
)  # fmt: skip
def test_open_shows_the_address_where_no_browser_is(
    monkeypatch, located, urls, words, shown
) -> None:
    from infra.environment import locate

    found = located(urls=urls)
    monkeypatch.setattr(locate, "load", lambda _: found)
    ended = CliRunner().invoke(cli.app, ["open", *words, "--env", "prod"])
    if shown.startswith("https"):
        assert ended.output.strip() == shown
    else:
        assert isinstance(ended.exception, WrongUse)
        assert shown in str(ended.exception)


@pytest.mark.parametrize("outcome", ["ok", "undone", "failed"])
def test_status_says_that_the_last_run_did_not_end_well(
    located, monkeypatch, world, outcome: str
) -> None:
    """What runs looks like a quiet day, and the release of this morning is not on it."""
    ledger = world.ledger(world.line(1), world.line(2, outcome=outcome))
    seen = replace(read_observation(""), engine="27.0.1", compose="2.30.0", ledger=ledger)

    answering(monkeypatch, seen)
    _, notes = inspection.status_of(assembly(located), print)
    said = [note for note in notes if "did not end well" in note]
    assert bool(said) == (outcome != "ok")
    assert all(f"deploy of {world.line(2).release}, {outcome} on" in note for note in said)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1", "prod-sha-000000000001"),
        ("2", "current"),
        ("current", "current"),
        ("prod-sha-000000000009", "prod-sha-000000000009"),
        ("newest", "newest"),
    ],
)
def test_a_release_is_named_to_diff_as_to_rollback(world, name: str, found: str) -> None:
    lines = [world.line(1), world.line(2)]
    seen = replace(read_observation(""), ledger=world.ledger(*lines), current=lines[1].release)
    assert inspection._manifest_name(name, seen) == found


def test_a_number_that_the_ledger_has_not_is_refused_with_those_that_it_has(world) -> None:
    lines = [world.line(1), world.line(2)]
    seen = replace(read_observation(""), ledger=world.ledger(*lines), current=lines[1].release)
    with pytest.raises(Refused, match="there is no release '7'"):
        inspection._manifest_name("7", seen)


def test_doctor_finds_no_address_of_a_name_that_is_none() -> None:
    assert doctor._addresses("bad..host") == set()
