"""What is asked of a deployed application, and what its answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.health.outside import requests
from deployments.health.verification import (
    CheckResult,
    check_answers,
    check_containers,
    established,
    failures,
    logs,
    must_stay_quiet,
    questions,
    seconds_left,
    silent,
)

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
TCP = HEAD + (
    "   0: 0B00007F:9A2B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 050012AC:D4F2 DCA79A95:01BB 01 00000000:00000000 02:00000C1F 00000000 10001\n"
    "   2: 050012AC:D4F3 0A0A0A0A:01BB 06 00000000:00000000 02:00000C1F 00000000 10001\n"
)
MAPPED = HEAD + (
    "   0: 0000000000000000FFFF0000050012AC:8C2A 0000000000000000FFFF0000DCA79A95:01BB 01 0:0\n"
)
SIX = HEAD + (
    "   0: B80D0120000000000000000001000000:8C2A B80D0120000000000000000002000000:01BB 01 0:0\n"
)


@pytest.mark.parametrize(
    ("table", "peers"),
    [
        ("", set()),
        (HEAD, set()),
        (TCP, {("149.154.167.220", 443)}),
        (MAPPED, {("149.154.167.220", 443)}),
        (SIX, {("2001:db8::2", 443)}),
        (TCP + MAPPED + SIX, {("149.154.167.220", 443), ("2001:db8::2", 443)}),
    ],
)
def test_peers_of_established_connections(table, peers):
    assert established(table) == peers


def test_what_is_asked_from_outside(world):
    assert [(r.service, r.url, r.status) for r in requests(world.target())] == [
        ("api", "https://api.example.org/health", None),
        ("frontend", "https://example.org/", None),
    ]


def test_a_service_without_a_url_is_not_asked_from_outside(world, make_environment):
    world.environment = make_environment(urls={"api": "https://api.example.org"})
    assert [r.service for r in requests(world.target())] == ["api"]


def test_what_is_asked_from_inside(world):
    asked = {name: command for name, _, command in questions(world.target())}
    assert list(asked) == [
        "restarts:api", "restarts:bot", "exec:bot", "hosts:bot", "tcp:bot", "restarts:frontend",
    ]  # fmt: skip
    assert asked["restarts:api"] == ()
    assert asked["hosts:bot"] == ("getent", "ahosts", "api.telegram.org")
    assert asked["exec:bot"][:2] == ("python", "-c")


def test_the_address_to_hold_comes_from_the_variables(world):
    target = world.target({"TELEGRAM_API_URL": "http://telegram:8081"})
    asked = {name: command for name, _, command in questions(target)}
    assert asked["hosts:bot"] == ("getent", "ahosts", "telegram")


def test_an_environment_may_ask_less(world, make_environment):
    world.environment = make_environment(
        verify={"leave_out": ["api"], "skip": {"bot": ["connected"], "frontend": ["outside"]}}
    )
    assert requests(world.target()) == []
    assert [name for name, _, _ in questions(world.target())] == [
        "restarts:bot", "exec:bot", "restarts:frontend",
    ]  # fmt: skip
    wanted = world.target().images(world.bare)
    assert "api" not in {f.service for f in check_containers(world.target(), world.bare, wanted)}


def _reviewed(world, seen, **images):
    target = world.target(**images)
    return failures(check_containers(target, seen, target.images(world.settled())))


def test_a_settled_host_passes(world):
    target = world.target()
    findings = check_containers(target, world.settled(), target.images(world.settled()))
    assert {f.check for f in findings} == {"container", "digest"}
    assert len(findings) == 10
    assert failures(findings) == []


def test_another_digest_than_the_one_that_is_wanted(world, digest):
    assert _reviewed(world, world.settled(), api="api-2") == [
        f"api digest: runs {digest('api-1')[7:19]}, not {digest('api-2')[7:19]}"
    ]


def test_a_container_that_is_not_healthy(world):
    seen = world.settled(containers=world.changed("bot", health="unhealthy"))
    assert _reviewed(world, seen) == ["bot container: running unhealthy"]


def test_one_container_for_each_service(world):
    seen = world.settled()
    twice = replace(seen, containers=(*seen.containers, seen.of("bot")[0]))
    assert _reviewed(world, twice) == ["bot container: 2 containers"]
    gone = replace(seen, containers=tuple(c for c in seen.containers if c.service != "bot"))
    assert _reviewed(world, gone) == ["bot container: 0 containers"]


ANSWERS = {
    "restarts:api": "0 running",
    "restarts:frontend": "0 running",
    "restarts:bot": "0 running",
    "exec:bot": "0 \n",
    "hosts:bot": "0 149.154.167.220 STREAM api.telegram.org\n149.154.167.220 DGRAM\n",
    "tcp:bot": f"0 {TCP}",
    "log:bot": "0 \n",
}


def _answered(world, **answers):
    said = {**ANSWERS, **{k.replace("_", ":"): v for k, v in answers.items()}}
    found = check_answers(world.target(), world.settled(), said)
    assert {f.check for f in found} == {"restarts", "own probe", "connected", "log"}
    return found


def test_good_answers_pass(world):
    found = _answered(world)
    assert failures(found) == []
    assert CheckResult("bot", "connected", ok=True, detail="api.telegram.org:443") in found
    assert CheckResult("bot", "own probe", ok=True, detail="ok") in found
    assert CheckResult("api", "restarts", ok=True, detail="0, unchanged") in found


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"restarts_api": "3 running"}, "api restarts: 0 before, 3 now, running"),
        ({"restarts_api": "0 restarting"}, "api restarts: 0 before, 0 now, restarting"),
        ({"exec_bot": "1 Traceback\na webhook is set: https://x\n"},
         "bot own probe: a webhook is set: https://x"),
        ({"exec_bot": "124 "}, "bot own probe: exit code 124"),
        ({"tcp_bot": f"0 {HEAD}"}, "bot connected: no open connection to api.telegram.org:443"),
        ({"log_bot": "1 ERROR TelegramConflictError: terminated by other getUpdates request\n"},
         "bot log: ERROR TelegramConflictError: terminated by other getUpdates request"),
        ({"hosts_bot": "2 "}, "bot connected: no open connection to api.telegram.org:443"),
        ({"hosts_bot": "0 10.10.10.10 STREAM x\n"},
         "bot connected: no open connection to api.telegram.org:443"),
    ],
)  # fmt: skip
def test_bad_answers_fail(world, answer, said):
    assert failures(_answered(world, **answer)) == [said]


def test_no_answer_is_a_failure_of_every_check(world):
    found = check_answers(world.target(), world.settled(), {})
    assert len(failures(found)) == len(found) == 6


def test_a_connection_over_six(world):
    hosts = "0 2001:db8::2 STREAM api.telegram.org\n"
    assert failures(_answered(world, hosts_bot=hosts, tcp_bot=f"0 {SIX}")) == []


def test_a_connection_to_another_port_is_not_the_one(world):
    target = world.target({"TELEGRAM_API_URL": "http://telegram:8081"})
    found = check_answers(target, world.settled(), ANSWERS)
    assert failures(found) == ["bot connected: no open connection to telegram:8081"]


def test_an_environment_may_not_look_into_the_log(world, make_environment):
    assert [service for service, _ in logs(world.target())] == ["bot"]
    world.environment = make_environment(verify={"skip": {"bot": ["log"]}})
    assert logs(world.target()) == []
    found = check_answers(world.target(), world.settled(), ANSWERS)
    assert "log" not in {f.check for f in found}


STARTED = "2030-01-01T00:00:00.123456789Z"
EPOCH = 1893456000
"""That moment in seconds."""


@pytest.mark.parametrize(
    ("check", "age", "elapsed", "left"),
    [
        ("connected", 10, 0.0, 890.0), ("own probe", 300, 100.0, 600.0), ("log", 300, 100.0, 600.0),
        ("container", 899, 100.0, 1.0), ("connected", 5000, 5.0, 15.0), ("connected", 5000, 30.0, -10.0),
        # A page that answers wrongly does so at once, and people see it.
        ("outside", 10, 5.0, 15.0), ("digest", 10, 25.0, -5.0), ("restarts", 10, 5.0, 15.0),
    ],
)  # fmt: skip
def test_how_long_a_service_that_starts_is_waited_for(
    world, make_environment, check, age, elapsed, left
):
    world.environment = make_environment(healthy_within={"bot": 900})
    seen = world.settled(containers=world.changed("bot", started=STARTED), epoch=EPOCH + age)
    found = [
        CheckResult("bot", check, ok=False, detail="x"),
        CheckResult("api", "outside", ok=True, detail="x"),
    ]
    assert seconds_left(world.target(), seen, found, elapsed) == left


def test_what_cannot_become_well_ends_the_waiting(world, make_environment):
    world.environment = make_environment(healthy_within={"bot": 900})
    seen = world.settled(containers=world.changed("bot", started=STARTED), epoch=EPOCH)
    found = [
        CheckResult("bot", "connected", ok=False, detail="x"),
        CheckResult("api", "outside", ok=False, detail="x"),
    ]
    assert seconds_left(world.target(), seen, found, 19.0) == 1.0


@pytest.mark.parametrize(
    ("started", "epoch"), [("", EPOCH), ("0001-01-01T00:00:00Z", 0), (STARTED, 0)]
)
def test_a_start_of_unknown_time_has_the_usual_one(world, started, epoch):
    seen = world.settled(containers=world.changed("bot", started=started), epoch=epoch)
    found = [CheckResult("bot", "connected", ok=False, detail="x")]
    assert seconds_left(world.target(), seen, found, 5.0) == 15.0


@pytest.mark.parametrize(
    ("fresh", "quiet"), [({"bot"}, True), ({"api", "bot"}, True), ({"api"}, False), (set(), False)]
)
def test_a_new_container_with_a_log_that_tells_must_stay_quiet_for_a_while(world, fresh, quiet):
    assert must_stay_quiet(world.target(), frozenset(fresh)) is quiet


def test_whose_last_words_tell(world):
    found = [
        CheckResult("api", "container", ok=True, detail=""),
        CheckResult("bot", "connected", ok=False, detail=""),
        CheckResult("bot", "log", ok=False, detail=""),
        CheckResult("frontend", "digest", ok=False, detail=""),
    ]
    assert silent(found) == ["bot"]


def test_a_long_answer_is_cut(world):
    found = _answered(world, exec_bot="1 " + "x" * 500)
    assert max(len(f.detail) for f in found) == 200
