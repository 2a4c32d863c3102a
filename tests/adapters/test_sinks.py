"""Every place where people read shows no secret, and obeys nothing that a program printed."""

from __future__ import annotations

import base64
import io
import json
import logging
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from rich.console import Console

from deployments.errors import StepFailed
from deployments.health.verification import CheckResult
from deployments.history.ledger import Revision, StepRecord
from deployments.messages.notices import Notice
from deployments.messages.report import Report, must_be_well
from deployments.planning.plan import Plan, Step
from deployments.redaction import Redactor
from infra import notices
from infra.cli import layout, outcome
from infra.cli.actions import summary
from infra.cli.actions.runner import Runner
from infra.cli.terminal import TerminalProgress
from infra.environment import context as assembly
from infra.environment.compose_cli import stack_of
from infra.machine import sinks
from infra.machine.output import Mask, Output
from infra.machine.sinks import clean, cleaned, hide
from infra.orchestration.api.logs import LogTail
from infra.orchestration.flow import artifacts, operation, tasks
from tests.adapters.flow_operations import flow_operation

SECRET = "hunter2/hunter2=="
ENCODED = base64.b64encode(f"robot:{SECRET}".encode()).decode()
SAID = f"\x1b[2J\x1b]0;t\x07@backup {SECRET} {ENCODED} hunter2%2Fhunter2%3D%3D"
TOKEN = "tgram://123:abcdefghijklmnop/1"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """A process that knows one secret, and two addresses in another."""
    monkeypatch.setattr(sinks, "_process", Redactor())
    hide([SECRET, f"{TOKEN} slack://a/b"])


def harmless(text: str) -> bool:
    return not any(x in text for x in ("\x1b", "\x07", "hunter2", ENCODED[10:-4]))


def error() -> StepFailed:
    return StepFailed(SAID, where=SAID, state=SAID, todo=SAID)


def test_what_a_host_says_whatever_a_line_begins_with():
    found = Mask().output(Output(1, f"{SAID}\n@revision {SECRET}\n", SAID))
    assert harmless(found.stdout)
    assert harmless(found.stderr)
    assert found.stdout.endswith("@revision ***\n")


def test_one_of_several_addresses_is_hidden_too():
    assert clean(f"no answer from {TOKEN}") == "no answer from ***"


def test_a_secret_that_colours_interrupt_is_hidden():
    assert clean("hunter2\x1b[0m/hunter2==") == "***"


def test_an_error_and_its_kind():
    found = cleaned(error())
    assert isinstance(found, StepFailed)
    assert harmless(str(found))
    assert harmless(repr(found))


def test_what_an_environment_resolves_is_hidden_in_the_whole_process(located, monkeypatch):
    monkeypatch.setattr(assembly.locate, "load", lambda _: located())
    some = stack_of("services: {web: {image: '${WEB_IMAGE}'}}\nx-deploy: {v: 1}\n", "compose.yml")
    monkeypatch.setattr(assembly, "read_stack", lambda _: some)
    for check in ("check_stack", "check_allowed"):
        monkeypatch.setattr(assembly, check, lambda *_: None)
    monkeypatch.setattr(assembly.secrets, "resolve", lambda *_: {"A": "another-secret"})
    assembly.assemble("prod")
    assert clean("another-secret") == "***"


def test_the_command_line(capsys, monkeypatch):
    def fail() -> None:
        raise error()

    monkeypatch.setattr("sys.argv", ["homeguru", "--json"])
    assert outcome.run(fail) == 1
    shown = capsys.readouterr()
    assert harmless(shown.err)
    assert harmless(shown.out)
    assert "u001b" not in shown.out


def test_a_defect_shows_where_it_is_and_no_secret(capsys):
    def fail() -> None:
        try:
            raise ValueError(SAID)
        except ValueError as cause:
            raise KeyError(SAID) from cause

    assert outcome.run(fail) == 1
    shown = capsys.readouterr().err
    assert harmless(shown)
    assert "in fail" in shown
    assert "ValueError: " in shown


class Kept(Exception):
    """A library's error that keeps what it was given, and shows nothing of it."""

    def __init__(self, text: str, header: str = "") -> None:
        super().__init__(text)
        self.request = httpx.Request("GET", "http://a", headers={"Authorization": header})


@pytest.mark.parametrize(
    "error", [ValueError(SAID), OSError(2, SAID), Kept("no", f"Basic {ENCODED}")]
)
def test_what_prefect_keeps_of_a_defect_holds_no_secret(error):
    with pytest.raises(RuntimeError) as caught, artifacts.outcome("prod"):
        raise error
    assert harmless(repr(caught.value))
    assert type(error).__name__ in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_librarys_error_without_a_secret_stays_what_it_is():
    with pytest.raises(KeyError), artifacts.outcome("prod"):
        raise KeyError("a\x1b[0m")


def test_what_failed_is_one_document_with_its_checks(capsys, monkeypatch):
    """stdout is for programs, stderr for people; the exit code says that it failed."""
    report = Report(
        "prod", Plan("verify", "1-x", "x", "1-x", ()), "failed", (),
        (
            CheckResult("api", "outside", ok=False, detail=SAID),
            CheckResult("bot", "runs", ok=True, detail=""),
        ),
        Revision(), 1.0, "alice", "run-1", {},
    )  # fmt: skip
    monkeypatch.setattr("sys.argv", ["homeguru", "verify", "--json"])
    assert outcome.run(lambda: must_be_well(report, "host")) == 1
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [(c["service"], c["check"], c["ok"]) for c in found["checks"]] == [
        ("api", "outside", False), ("bot", "runs", True),
    ]  # fmt: skip
    assert (found["outcome"], found["exit_code"]) == ("failed", 1)
    assert found["error"].startswith("verification failed: api outside")
    assert shown.err.startswith("Error: host: verification failed")
    assert harmless(shown.out)
    assert "u001b" not in shown.out


def test_a_deploy_that_failed_leaves_its_steps_to_programs(monkeypatch):
    monkeypatch.setattr(operation, "leave_report", lambda report: None)
    plan = Plan("deploy", "2-y", "y", "1-x", (Step("pull", "by digest"),))
    went = (StepRecord(step="pull", outcome="failed", seconds=1),)
    report = Report("prod", plan, "undone", went, (), Revision(), 1.0, "alice", "run-1", {})

    def fail(_: object) -> None:
        raise error()

    on = flow_operation(carry_out=fail, report_of_failure=lambda *_: report)
    with pytest.raises(StepFailed) as caught:
        on.carry_out(SimpleNamespace(plan=plan))  # type: ignore[arg-type]
    assert caught.value.summary["outcome"] == "undone"
    assert [s["step"] for s in caught.value.summary["steps"]] == ["pull"]


def test_the_terminal():
    out = io.StringIO()
    progress = TerminalProgress(Console(file=out, force_terminal=False))
    progress.line(SAID)
    progress.begin("x")
    progress.line(f"::stop-commands::{SAID}")
    progress.end("x", 1, "")
    assert harmless(out.getvalue())
    assert "@backup" in out.getvalue()
    assert not any(line.strip().startswith("::") for line in out.getvalue().splitlines())


def test_tables_of_the_command_line(capsys, monkeypatch):
    monkeypatch.setattr(layout, "console", Console(file=(out := io.StringIO())))
    layout.pairs([("commit", SAID)], layout.console)
    layout.table(["who"], [[SAID]])
    assert harmless(out.getvalue())


def test_a_log_that_somebody_else_wrote():
    line = {
        "name": "prefect.flow_runs",
        "message": SAID,
        "id": "1",
        "timestamp": "2030-01-01T00:00:00Z",
    }
    api = SimpleNamespace(post=lambda *_: [line])
    assert all(harmless(x) for x in LogTail(api, "run").lines())  # type: ignore[arg-type]


def test_the_log_of_a_run():
    try:
        raise ValueError(SAID)
    except ValueError as problem:
        info = (ValueError, problem, problem.__traceback__)
    record = logging.LogRecord("prefect.flow_runs", 20, "x", 1, "said %s", (SAID,), info)
    assert tasks._Sentences().filter(record)
    assert harmless(logging.Formatter().format(record))
    assert "Traceback" in logging.Formatter().format(record)


def test_a_line_of_a_task_and_how_it_failed(monkeypatch):
    logged: list[str] = []
    logger = SimpleNamespace(info=lambda text, *args: logged.append(text % args))
    monkeypatch.setattr(tasks, "get_run_logger", lambda: logger)
    monkeypatch.setattr(tasks, "task", lambda **_: lambda work: work)

    def work() -> None:
        tasks.log(SAID)
        raise error()

    with pytest.raises(StepFailed) as caught:
        tasks.as_task("step", work)
    assert harmless(str(caught.value))
    assert logged
    assert all(map(harmless, logged))


def test_artifacts(monkeypatch):
    left: list[str] = []
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda *a: left.append(str(a)))
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda *a: left.append(str(a)))
    artifacts._markdown("report", "prod", SAID)
    artifacts._table("services", "prod", [{"service": SAID}], SAID)
    artifacts.leave_result("prod", {"x": SAID})
    with suppress(StepFailed), artifacts.outcome("prod"):
        raise error()
    assert len(left) == 4
    assert all(map(harmless, left))


def test_notices(monkeypatch):
    sent: list[Notice] = []
    monkeypatch.setattr(notices, "_notify", lambda _, notice: sent.append(notice) or True)
    notices.send("json://localhost", Notice("failure", SAID, f"<!channel> {SAID}"))
    [notice] = sent
    assert harmless(notice.title)
    assert harmless(notice.body)
    assert "<!channel>" not in notice.body


def test_the_page_of_a_job(tmp_path, monkeypatch, capsys):
    file = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    runner = Runner(tmp_path, tmp_path)
    bad = StepFailed(f"```\n# {SAID}", where="a|b", todo="![x](https://evil.example) <img src=x>")
    runner.summary(summary.failed("deploy", "prod", bad, ""))
    runner.annotate("error", f"{SAID}\n::add-mask::x")
    shown = file.read_text()
    assert harmless(shown)
    assert "````text" in shown
    assert r"\[x\]" in shown
    assert r"\<img" in shown
    assert harmless(capsys.readouterr().out)
