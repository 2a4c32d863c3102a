"""What the guard answers the gateway about a password: may one be checked, and one was wrong."""

from __future__ import annotations

import httpx
import pytest
from starlette.testclient import TestClient

from infra.control.guard import ACCOUNT, CLIENT, Guard
from infra.control.throttle import WITHIN, WRONG, Throttle

HERE, ELSEWHERE = {CLIENT: "192.0.2.1"}, {CLIENT: "192.0.2.2"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> list[httpx.Request]:
    return []


@pytest.fixture
def guard(clock: Clock, server: list[httpx.Request]) -> TestClient:
    def answer(request: httpx.Request) -> httpx.Response:
        server.append(request)
        return httpx.Response(200)

    transport = httpx.MockTransport(answer)
    return TestClient(Guard("http://server/api", transport, Throttle(clock)).app())


def test_ten_wrong_passwords_and_the_address_has_to_wait(guard, clock, server, caplog) -> None:
    for _ in range(WRONG):
        assert guard.get("/may-log-in", headers=HERE).status_code == 204
        assert guard.get("/wrong-password", headers=HERE).status_code == 204
    assert [x.getMessage() for x in caplog.records if x.name == "uvicorn.error"] == [
        "too many wrong passwords: 192.0.2.1 waits 900 s"
    ]
    clock.now = 60.5
    found = guard.get("/may-log-in", headers=HERE)
    assert found.status_code == 429
    assert found.headers["retry-after"] == "840"
    assert "too many wrong passwords" in found.text
    assert " UTC, in 840 s" in found.text
    assert guard.get("/may-log-in", headers=ELSEWHERE).status_code == 204
    clock.now = WITHIN
    assert guard.get("/may-log-in", headers=HERE).status_code == 204
    assert server == []


def test_the_account_does_not_count(guard) -> None:
    """Nobody locks an account out: what is counted is where a password comes from."""
    for _ in range(WRONG):
        guard.get("/wrong-password", headers={**HERE, ACCOUNT: "trigger"})
    found = guard.get("/may-log-in", headers={**ELSEWHERE, ACCOUNT: "trigger"})
    assert found.status_code == 204


def test_what_a_client_says_of_its_address_does_not_count(guard) -> None:
    for number in range(WRONG):
        guard.get("/wrong-password", headers={**HERE, "X-Forwarded-For": f"198.51.100.{number}"})
    assert guard.get("/may-log-in", headers=HERE).status_code == 429


@pytest.mark.parametrize("headers", [{}, {CLIENT: "nobody"}])
def test_without_an_address_nobody_logs_in(guard, headers) -> None:
    assert guard.get("/may-log-in", headers=headers).status_code == 400
    assert guard.get("/wrong-password", headers=headers).status_code == 204


def test_a_server_is_never_asked_about_a_password(guard, server) -> None:
    for method in ("POST", "PATCH"):
        for path in ("/may-log-in", "/wrong-password"):
            assert guard.request(method, path, headers=HERE, json={}).status_code in (403, 405)
    assert server == []
