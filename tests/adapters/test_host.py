"""What a host's refusal reads like."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from deployments.errors import StepFailed
from deployments.history.step_kind import StepKey
from deployments.host.script_results import Result
from deployments.shell.quote import Script
from infra.host import session as host
from infra.machine.output import Mask, Output
from infra.run.recorder import Recorder


def test_a_refusal_keeps_its_first_line_however_long_the_last_one_is(located, monkeypatch):
    """An image that is gone is named before a list of releases that grows."""
    releases = " ".join(f"{n}-sha-{n:012d}" for n in range(99))
    refused = f"cannot pull ghcr.io/acme/api@sha256:0: not found\nreleases: {releases}\n"
    monkeypatch.setattr(host.Remote, "run", lambda *_: Output(21, "", refused))
    reader = host.Host(located(), host.Actor("ada", "cli", "r1"), "plan", print)
    with pytest.raises(StepFailed) as caught:
        reader.read(Script("true"))
    assert caught.value.what == refused.strip()


def test_a_server_that_answers_nothing_is_said_so(located, monkeypatch):
    monkeypatch.setattr(host.Remote, "run", lambda *_: Output(124, "", ""))
    reader = host.Host(located(), host.Actor("ada", "cli", "r1"), "verify", print)
    with pytest.raises(StepFailed, match="does its Docker answer"):
        reader.read(Script("true"))


def test_what_a_program_prints_as_it_dies_holds_no_secret(located, monkeypatch):
    """Its log and its last lines go into reports, artifacts and notices."""
    said = "settings: token=7712:AAH-secret, user=app, 7712:AAH-secret-2"
    logged: list[str] = []

    def run(_self, _script, log, *_rest):
        log(said)
        return Output(20, said, said)

    monkeypatch.setattr(host.Remote, "run", run)
    owner = host.Host(located(), host.Actor("ada", "cli", "r1"), "deploy", logged.append)
    owner.mask = Mask(["7712:AAH-secret", "app", "7712:AAH-secret-2"])
    monkeypatch.setattr(owner, "_lock", SimpleNamespace(check=lambda: None))
    output = owner.work(StepKey("migrate"), Script("true"), "begin")
    owner.follow(Script("true"))
    expected = "settings: token=***, user=app, ***"
    assert {*logged, output.tail, output.stdout} == {expected}
    owner.log = None
    monkeypatch.setattr(host.Remote, "run", lambda *_: Output(20, "", said))
    with pytest.raises(StepFailed) as caught:
        owner.read(Script("true"))
    assert caught.value.what == expected


def test_what_a_step_tells_is_not_masked_and_all_that_is_printed_is(located, monkeypatch):
    owner = host.Host(located(), host.Actor("ada", "cli", "r1"), "backup", print)
    monkeypatch.setattr(owner, "_lock", SimpleNamespace(check=lambda: None))
    monkeypatch.setattr(host.secrets, "token_hex", lambda _: "nonce")
    said = "@backup app-7712 9\nx 7712:AAH-secret\n@nonce revision =YXBwLTc3MTI=\n"
    monkeypatch.setattr(host.Remote, "run", lambda *_: Output(0, said, ""))
    owner.mask = Mask(["app-7712", "7712:AAH-secret"])
    output = owner.work(StepKey("back-up"), Script("true"), "begin")
    assert output.stdout == "@backup *** 9\nx ***\n"
    assert output.results == (Result("revision", ("app-7712",)),)


def test_a_run_that_changed_nothing_ends_its_journal_with_its_own_line(located, monkeypatch):
    """A look reads every journal whose last line is another one, for ever."""
    written: list[str] = []
    owner = host.Host(located(), host.Actor("ada", "cli", "r1"), "backup", print)
    monkeypatch.setattr(
        owner, "work", lambda *_, after, files: written.append(after) or Output(0, "", "")
    )
    Recorder(owner).close_own("3-m3")
    assert [json.loads(line)["step"] for line in written] == ["run 3-m3"]
