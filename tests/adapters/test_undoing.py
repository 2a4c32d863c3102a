"""How a run that failed ends: undone, overtaken, or half way; and what it says of the database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deployments.errors import Locked, Refused, StepFailed, Unreachable
from deployments.health.verification import CheckResult
from deployments.history.ledger import Revision
from deployments.history.step_kind import StepKey
from deployments.planning.plan import Plan, ScriptStep, Step
from deployments.release.manifest import Manifest
from deployments.shell.quote import Script
from infra.machine.output import Output
from infra.publish.manifests import current_manifest
from infra.run import executor
from infra.run.executor import Executor
from infra.run.operation import Operation
from infra.run.recorder import Recorder
from infra.run.run import Run
from infra.run.undo import Undo

TAKEN = Locked("another run took environment sandbox meanwhile", state="as that run leaves it")
FAILED = StepFailed("migrate failed:\nno answer", where="systech@host")


def undone(
    failure: Exception, *, steps=(), revision="0002", second: Exception | None = None, verb="deploy",
    noted: list[object] | None = None,
):  # fmt: skip
    """The error of a run that was at 0001 when it began, and the undo's plans."""
    plans: list[bool] = []

    def run(*_: object) -> None:
        if second:
            raise second

    recorder = Recorder(SimpleNamespace(), revision=Revision(before="0001", after="0001"))
    recorder.begun = True
    for kind in steps:
        recorder.note(Step(kind, ""), "failed", 1)
    recorder.record = lambda *_, **__: None  # type: ignore[method-assign]
    host = SimpleNamespace(
        log=lambda _: None, connected=True, stop_work=lambda: None,
        observe=lambda _: SimpleNamespace(revision=revision, current="1-m1"),
        actor=SimpleNamespace(run="r1"), environment=SimpleNamespace(ssh="h", name="sandbox"),
    )  # fmt: skip
    planning = SimpleNamespace(
        undo=lambda *_, exchanged: plans.append(exchanged),
        as_noted=[].append if noted is None else noted.append,
    )
    executor = SimpleNamespace(undo=run, recorded=lambda _, write: write(), send=lambda _: None)
    plan = Plan(verb, "2-m2", "m2", "1-m1", ())
    planned = SimpleNamespace(plan=plan, seen=SimpleNamespace(current="1-m1", ledger=None))
    return Undo(Run(host, recorder), None, planning, executor).after(planned, failure), plans


def test_a_migration_that_was_committed_before_its_answer_was_cut_off_is_told() -> None:
    error, plans = undone(FAILED, steps=["migrate"])
    assert error.state == "runs 1-m1 as before; the database stays at revision 0002"
    assert plans == [False]


@pytest.mark.parametrize("step", ["set-aside", "restore"])
def test_a_database_that_may_lie_beside_is_brought_back_whatever_can_be_seen(step: str) -> None:
    error, plans = undone(FAILED, steps=[step, "migrate"], revision=None)
    assert error.state == "runs 1-m1 as before"
    assert plans == [True]


def test_a_run_that_was_overtaken_undoes_nothing_and_says_so() -> None:
    error, plans = undone(TAKEN)
    assert (error, plans) == (TAKEN, [])


def test_a_run_that_is_overtaken_while_it_undoes_says_so() -> None:
    error, _ = undone(FAILED, second=TAKEN)
    assert error is TAKEN


def test_a_failed_switch_of_maintenance_leaves_containers_alone() -> None:
    noted: list[object] = []
    error, plans = undone(FAILED, steps=["maintenance-on"], verb="maintenance", noted=noted)
    assert error.state == "runs 1-m1 as before; the database stays at revision 0002"
    assert (plans, len(noted)) == ([], 1)


@pytest.mark.parametrize(
    ("verb", "again"),
    [
        # By name: the newest one, or the one before, is another release by then.
        ("deploy", "homeguru deploy m2 --env sandbox"), ("heal", "homeguru deploy m2 --env sandbox"),
        ("rollback", "homeguru rollback 2-m2 --env sandbox"),
        ("restore", "run the same command again"), ("adopt", "run the same command again"),
    ],
)  # fmt: skip
def test_an_undo_that_fails_is_told_with_what_to_do(verb: str, again: str) -> None:
    error, _ = undone(FAILED, second=StepFailed("replace api failed"), verb=verb)
    assert error.state == "between two releases; its journal says so"
    assert error.todo.startswith(f"correct the cause; then {again}: it undoes what is unfinished")
    assert "and the undo failed too: replace api failed" in error.what


# -- a database that is stopped, a migration that is done ------------------------------


def operation(*states: str, current: str | None = "1-m1"):
    """An operation on a host whose database has containers in these states; what it ran."""
    ran: list[str] = []
    containers = [
        SimpleNamespace(id=f"c{n}", service="postgres", state=s) for n, s in enumerate(states)
    ]
    seen = SimpleNamespace(
        current=current, revision="0001", of=lambda _: containers, long_running=containers,
        ledger=SimpleNamespace(lines=[]),
    )  # fmt: skip

    class Seeing(Operation):
        def observe(self) -> None:
            ran.append("observe")

    environment = SimpleNamespace(
        healthy_within_of=lambda _: 60, directory="/srv", name="sandbox", ssh="h"
    )
    stack = SimpleNamespace(deploy=SimpleNamespace(database=SimpleNamespace(service="postgres")))
    located = SimpleNamespace(environment=environment)
    host = SimpleNamespace(
        log=lambda _: None, work=lambda step, *_, **__: ran.append(step.name),
        environment=environment,
    )  # fmt: skip
    recorder = SimpleNamespace(closing=lambda *_: "", report=lambda plan, how: (plan, how))
    run = Run(host, recorder)
    run.saw(seen)
    targets = SimpleNamespace(assembly=SimpleNamespace(stack=stack, located=located))
    return Seeing(run, targets, None, None, None, None, None), seen, ran


def test_a_database_that_somebody_stopped_is_started_before_anything_is_planned() -> None:
    found, _, ran = operation("exited")
    found.start_database()
    assert ran == ["start postgres", "observe"]


@pytest.mark.parametrize(
    ("states", "current"),
    [(["running"], "1-m1"), ([], "1-m1"), (["exited", "created"], "1-m1"), (["exited"], None),
     (["exited"], "0-adopted")],
)  # fmt: skip
def test_any_other_is_left_alone(states: list[str], current: str | None) -> None:
    found, _, ran = operation(*states, current=current)
    found.start_database()
    assert ran == []


def test_a_migration_that_is_done_already_is_not_measured_by_the_release_that_it_is_of() -> None:
    """That one need not run yet."""
    found, _, _ = operation("running")
    plan = SimpleNamespace(verb="migrate", changed=False)
    assert found.carry_out(SimpleNamespace(plan=plan)) == (plan, "ok")


# -- what is let go after a run --------------------------------------------------------


def test_what_could_not_be_let_go_leaves_no_run_open() -> None:
    """The journal's last line is the run's end, by which a later look passes it by."""
    ended: list[tuple[str, str]] = []

    def work(step: StepKey, script: Script, event: str, after: str = "", **_: object) -> Output:
        code = 2 if step.kind == "tidy" else 0
        ended.append((step.kind, after if code == 0 else ""))
        return Output(code, "", "PostgreSQL does not answer")

    host = SimpleNamespace(work=work, token="t", environment=SimpleNamespace(ssh="h"))
    recorder = Recorder(host, revision=Revision(before="0001", after="0001"))
    with pytest.raises(StepFailed, match="tidy failed:\nPostgreSQL does not answer"):
        recorder.afterwards("tidy", Script("false\n"), "2-m2")
    assert [name for name, _ in ended] == ["tidy", "record"]
    assert '"event":"end"' in ended[-1][1] and '"step":"run 2-m2"' in ended[-1][1]


# -- what changes nothing, and what is only watched -------------------------------------


@pytest.mark.parametrize("verb", ["backup", "drill"])
def test_a_backup_that_fails_undoes_nothing(verb: str) -> None:
    """Found by a reader: going back to the release that runs would take a hot fix away."""
    closed: list[str] = []
    recorder = SimpleNamespace(begun=True, close_own=closed.append)
    host = SimpleNamespace(log=lambda _: None, connected=True, stop_work=lambda: None)
    found = Undo(Run(host, recorder), None, None, None)
    plan = SimpleNamespace(verb=verb, release="1-m1", previous="1-m1")
    planned = SimpleNamespace(plan=plan, seen=SimpleNamespace(current="1-m1"))
    error = found.after(planned, FAILED)
    assert (error.what, error.state, closed) == (FAILED.what, "runs 1-m1, unchanged", ["1-m1"])


def test_what_is_not_well_after_a_deploy_says_its_last_lines(monkeypatch) -> None:
    """And containers that are new are looked at for longer: their logs have said little so far."""
    asked: list[frozenset[str]] = []
    bad = [CheckResult("bot", "log", ok=False, detail="TelegramConflictError")]

    def verify(_host, _target, _images, fresh, _since):
        asked.append(fresh)
        return bad

    monkeypatch.setattr(executor.probes, "verify", verify)
    monkeypatch.setattr(
        executor.probes, "last_words", lambda _, f: f"; last lines:\n {f[0].service}"
    )
    host = SimpleNamespace(environment=SimpleNamespace(name="sandbox"))
    recorder = SimpleNamespace(findings=[])
    plan = SimpleNamespace(images=(("api", "r@1"), ("bot", "r@2")), unchanged=(("api", "1"),))
    with pytest.raises(StepFailed) as failed:
        Executor(Run(host, recorder), None, None)._verify(SimpleNamespace(plan=plan, target=None))
    assert failed.value.what == (
        "verification failed: bot log: TelegramConflictError; last lines:\n bot"
    )
    assert (asked, recorder.findings) == ([frozenset({"bot"})], bad)


def watched(monkeypatch, *looks: object, away: float = 60):
    """An executor whose host gives these looks; what it said."""
    left, said, reconnected = list(looks), [], []
    monkeypatch.setattr(executor, "PACE", 0.001)
    monkeypatch.setattr(executor, "AWAY", away)
    host = SimpleNamespace(
        log=said.append, connected=True, reconnect=lambda: reconnected.append(1),
        environment=SimpleNamespace(name="sandbox"),
    )  # fmt: skip
    found = Executor(Run(host, None), None, None)

    def look(_: object) -> dict:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            host.connected = False
            raise now
        return now

    monkeypatch.setattr(found, "_restarts", look)
    monkeypatch.setattr(found, "_verify", lambda _: None)
    found._watch(None, 0.01)
    return said, reconnected


ONE, TWO = {"api": ("c1", 0)}, {"api": ("c1", 1)}
GONE = Unreachable("the SSH connection broke", where="h")


def test_a_connection_that_breaks_in_the_window_says_nothing_of_the_release(monkeypatch) -> None:
    said, reconnected = watched(monkeypatch, ONE, GONE, ONE)
    assert said == ["cannot look for a moment: the SSH connection broke"]
    assert reconnected


def test_a_host_that_stays_away_ends_the_window(monkeypatch) -> None:
    with pytest.raises(Unreachable):
        watched(monkeypatch, ONE, GONE, away=0.01)


def test_what_crashed_while_nobody_could_look_is_found(monkeypatch) -> None:
    with pytest.raises(StepFailed, match="crashed while it was watched: api"):
        watched(monkeypatch, ONE, GONE, TWO)


def test_the_report_of_a_failure_is_the_one_that_was_recorded() -> None:
    found, _, _ = operation()
    recorder = found.run.recorder
    recorder.recorded = "as undone"
    assert found.report_of_failure(SimpleNamespace(plan="plan"), FAILED) == "as undone"
    recorder.recorded = None
    recorder.report = lambda *said: said
    told = found.report_of_failure(SimpleNamespace(plan="plan"), FAILED)
    assert told == ("plan", "failed", str(FAILED))


@pytest.mark.parametrize(
    ("current", "what"), [(None, "no release of ours runs"), ("0-adopted", "deployed by hand")]
)
def test_there_may_be_no_release_to_deploy_again(current, what) -> None:
    located = SimpleNamespace(environment=SimpleNamespace(name="sandbox", ssh="h"))
    with pytest.raises(Refused, match=what):
        current_manifest(located, SimpleNamespace(current=current, manifest="{}"))


def test_the_release_that_runs_is_deployed_again_by_its_own_name() -> None:
    manifest = Manifest.nothing()
    found, seen, _ = operation()
    seen.manifest = manifest.to_json()
    assert found.find("current") == manifest


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('cannot pull a: Error: Get "https://r/v2/": EOF', Unreachable),
        ("cannot pull a: unexpected EOF\nreleases whose images are here: 1", Unreachable),
        ("received unexpected HTTP status: 503 Service Unavailable", Unreachable),
        ("dial tcp 192.0.2.1:443: i/o timeout", Unreachable),
        ("EOFError: EOF when reading a line", StepFailed),
        ("SyntaxError: unexpected EOF while parsing", StepFailed),
        ("here-document delimited by end-of-file (wanted `EOF')", StepFailed),
        ("no service named 503 Services", StepFailed),
    ],
)
def test_only_what_docker_says_of_a_network_is_tried_again(said: str, kind: type) -> None:
    host = SimpleNamespace(environment=SimpleNamespace(ssh="h"))
    found = Executor(Run(host, None), None, None)
    assert type(found._failed(ScriptStep("pull", "", script=Script("true")), said)) is kind
    assert type(found._failed(ScriptStep("migrate", "", script=Script("true")), said)) is StepFailed
