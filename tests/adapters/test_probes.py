"""Asking from outside, over HTTP."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import httpx
import pytest

from deployments.compose.reader import parse_stack
from deployments.compose.variables import Configuration
from deployments.health import verification
from deployments.health.outside import check_outside
from deployments.health.verification import CheckResult
from deployments.planning.target import Target
from deployments.release.manifest import Manifest
from infra.host import probes
from infra.host.probes import outside


def _target(located, more, *, routed=False):
    services = {"api": {"image": "${API_IMAGE}"}, "edge": {"image": "${EDGE_IMAGE}"}}
    deploy = {"v": 1, "probes": {"api": {"outside": {"url": "api", "path": "/health", **more}}}}
    routes = {"api" if routed else "edge": {"listen": 80, "port": 8000}}
    deploy["edge"] = {"service": "edge", "config": "edge/haproxy.cfg", "routes": routes}
    deploy["infrastructure"] = {"edge": "haproxy:3.0"}
    stack = parse_stack("", {"services": services, "x-deploy": deploy}, "compose.yml")
    environment = located(urls={"api": "https://api.example.org"}).environment
    return Target(environment, Manifest.nothing(), stack, Configuration({}, {}))


@pytest.fixture
def target(located):
    return _target(located, {})


def _ask(target, answer, *, maintenance=False):
    answers = outside(target, httpx.MockTransport(answer))
    [finding] = check_outside(target, answers, maintenance=maintenance)
    assert (finding.service, finding.check) == ("api", "outside")
    return finding


def test_the_expected_status(target):
    finding = _ask(target, lambda request: httpx.Response(200))
    assert finding.ok
    assert finding.detail.startswith("200 https://api.example.org/health in ")
    assert finding.detail.endswith(" ms")


HEADERS = {"Location": "https://api.example.org/other"}


@pytest.mark.parametrize(
    ("wanted", "status", "ok"),
    [
        (None, 204, True), (None, 307, True), (None, 400, False), (None, 404, False),
        (None, 502, False), (200, 200, True), (200, 204, False), (200, 307, False),
        (401, 401, True), (401, 200, False),
    ],
)  # fmt: skip
def test_any_answer_below_400_counts_unless_one_status_is_wanted(located, wanted, status, ok):
    target = _target(located, {"status": wanted} if wanted else {})
    finding = _ask(target, lambda request: httpx.Response(status, headers=HEADERS))
    assert finding.ok is ok
    assert finding.detail.startswith(f"{status} https://api.example.org/health")
    assert finding.detail.endswith(f", {wanted} is wanted") is (not ok and wanted is not None)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout])
def test_no_answer_is_a_failure(target, error):
    def fail(request):
        raise error("x")

    finding = _ask(target, fail)
    assert (finding.ok, finding.detail) == (
        False, f"{error.__name__} https://api.example.org/health",
    )  # fmt: skip


PAGE = {"X-Edge-Maintenance": "on"}


@pytest.mark.parametrize(
    ("routed", "maintenance", "status", "headers", "ok", "words"),
    [
        (True, True, 503, PAGE, True, ", maintenance is on"),
        (True, True, 200, {}, False, ", and not by the edge, although maintenance is on"),
        # Of the application, or of a proxy in front: nobody sees the page then.
        (True, True, 503, {}, False, ", and not by the edge, although maintenance is on"),
        (True, True, 200, PAGE, False, ", and not by the edge, although maintenance is on"),
        (True, False, 503, PAGE, False, ", the edge's page, although maintenance is off"),
        (True, False, 503, {}, False, " ms"),
        (True, False, 200, {}, True, " ms"),
        # What ends TLS in front of the edge passes the page on; what stands beside it does not.
        (False, True, 503, PAGE, True, ", maintenance is on"),
        (False, True, 200, {}, True, " ms"),
        (False, True, 503, {}, False, " ms"),
    ],
)
def test_in_maintenance_the_edge_alone_answers_for_what_is_behind_it(
    located, routed, maintenance, status, headers, ok, words
):
    target = _target(located, {}, routed=routed)
    finding = _ask(
        target, lambda request: httpx.Response(status, headers=headers), maintenance=maintenance
    )
    assert (finding.ok, finding.detail.endswith(words)) == (ok, True), finding.detail


def test_no_answer_is_a_failure_in_maintenance_too(located):
    def fail(request):
        raise httpx.ConnectError("x")

    finding = _ask(_target(located, {}, routed=True), fail, maintenance=True)
    assert (finding.ok, finding.detail.split()[0]) == (False, "ConnectError")


def test_proxies_of_the_deployer_are_not_used(target, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert _ask(target, lambda request: httpx.Response(200)).ok


class _Host:
    """Answers looks in turn; the last answer stays. Its clock is the test's own."""

    def __init__(self, clock, looks):
        self.clock, self.looks, self.logged = clock, looks, []
        self.environment = None
        self.log = self.logged.append

    def observe(self, stack):
        self.clock.now += 0.5
        return f"look at {self.clock.now}"

    def next(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


class _Look:
    """One look; the next one at the logs alone takes the host's next answer, and a moment."""

    def __init__(self, host):
        self.host, self.seen, self.found = host, host.observe(None), host.next()

    def findings(self, *_):
        return self.found

    def once_more(self, host, target):
        host.clock.now -= 0.4
        return _Look(host)


class _Clock:
    now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def verify(monkeypatch):
    """One verification: findings of each look, for how long a failing one is waited for."""
    clock = _Clock()

    def run(*looks, left=20.0, log=False, ready_for=0.0):
        host = _Host(clock, list(looks))
        monkeypatch.setattr(probes, "time", clock)
        monkeypatch.setattr(probes, "_look", lambda *_: _Look(host))
        monkeypatch.setattr(probes.verification, "seconds_left", lambda *a: left - a[3])
        monkeypatch.setattr(probes.verification, "must_stay_quiet", lambda *_: log)
        begin = clock.now
        found = probes.verify(
            host, SimpleNamespace(stack=None), {}, frozenset({"bot"}), begin - ready_for
        )
        return [f.ok for f in found], clock.now - begin, host

    return run


GOOD = [CheckResult("bot", "connected", ok=True, detail="x")]
BAD = [CheckResult("bot", "connected", ok=False, detail="no connection")]


def test_what_is_well_is_looked_at_once(verify):
    assert verify(GOOD)[:2] == ([True], 0.5)


def test_a_slow_start_is_waited_for_and_said(verify):
    ok, seconds, host = verify(*[BAD] * 300, GOOD, left=900.0)
    assert (ok, seconds > 290) == ([True], True)
    assert host.logged == ["not yet: bot connected: no connection"]


def test_a_start_without_end_is_given_up(verify):
    ok, seconds, _ = verify(BAD, left=60.0)
    assert (ok, 60 <= seconds < 62) == ([False], True)


def test_a_log_must_stay_quiet_for_some_seconds(verify):
    """A second poller is refused only after a moment."""
    refused = [CheckResult("bot", "log", ok=False, detail="TelegramConflictError")]
    ok, seconds, _ = verify(GOOD, refused, left=20.0, log=True)
    assert (ok, seconds > 20) == ([False], True)
    assert verify(GOOD, refused, log=False)[0] == [True]
    ok, seconds, _ = verify(BAD, GOOD, log=True)
    assert (ok, 5 <= seconds < 8) == ([True], True)


@pytest.mark.parametrize(("ready_for", "seconds"), [(0.0, 5.1), (3.0, 2.1), (60.0, 0.5)])
def test_what_a_log_has_been_quiet_for_already_is_not_waited_for_again(verify, ready_for, seconds):
    """Others were drained meanwhile, or the new release has been watched for minutes."""
    found = verify(GOOD, GOOD, log=True, ready_for=ready_for)
    assert found[:2] == ([True], pytest.approx(seconds))


def test_a_look_asks_from_everywhere_at_the_same_time(monkeypatch):
    together = threading.Barrier(3, timeout=5)

    def answer(value):
        return lambda *_: together.wait() >= 0 and value

    seen = SimpleNamespace(maintenance=None)
    host = SimpleNamespace(environment=None, observe=answer(seen), answers=answer({"a": "b"}))
    target = SimpleNamespace(stack=None)
    monkeypatch.setattr(probes, "outside", answer([]))
    monkeypatch.setattr(probes.probe, "probe", lambda *_: None)
    for name in ("questions", "logs"):
        monkeypatch.setattr(probes.verification, name, lambda *_: ["one"])
    monkeypatch.setattr(probes.verification, "check_containers", lambda *a: [a[1]])
    monkeypatch.setattr(probes, "check_outside", lambda *_, maintenance: GOOD)
    monkeypatch.setattr(probes.verification, "check_answers", lambda *a: [a[1:]])
    found = probes._look(host, target).findings(target, {})
    assert found == [seen, *GOOD, (seen, {"a": "b"})]


def test_the_look_after_the_quiet_asks_for_logs_and_restarts_alone(target, monkeypatch):
    asked = []
    monkeypatch.setattr(probes.probe, "probe", lambda _, *words: asked.append(words))
    before = {"tcp:bot": "0 x", "log:bot": "0 "}
    host = SimpleNamespace(
        environment=None, answers=lambda _: {"log:bot": "1 TelegramConflictError"}
    )
    after = probes._Answers("seen", GOOD, before).once_more(host, target)
    assert after.inside == {"tcp:bot": "0 x", "log:bot": "1 TelegramConflictError"}
    ((questions, logs),) = asked
    assert questions and all(name.startswith("restarts:") for name, _, _ in questions)
    assert logs == verification.logs(target)


def test_the_last_words_of_what_is_not_well(monkeypatch):
    class Host:
        environment = None

        def answers(self, script):
            return {"last:bot": "loading\n*** failed\n"}

    monkeypatch.setattr(probes.probe, "last_words", lambda *_: None)
    assert probes.last_words(Host(), BAD) == "; last lines:\n  bot | loading\n  bot | *** failed"
    assert probes.last_words(Host(), GOOD) == ""
