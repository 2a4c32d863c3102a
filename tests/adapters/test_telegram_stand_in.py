"""The Telegram stand-in behaves like the Bot API where a polling bot can notice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from infra.sandbox.telegram import CONFLICT, WEBHOOK, Server

TOKEN = "123456:stand-in-token"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    server = Server("127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.server_address[1]}", timeout=10
    ) as client:
        yield client
    server.shutdown()
    server.server_close()
    thread.join()


def call(http: httpx.Client, method: str, **params: Any) -> httpx.Response:
    return http.post(f"/bot{TOKEN}/{method}", json=params)


def queue(http: httpx.Client, text: str) -> int:
    answer = http.post("/_updates", json={"token": TOKEN, "text": text, "chat_id": 7})
    return int(answer.json()["update_id"])


def poll_later(http: httpx.Client, seconds: float) -> Future[httpx.Response]:
    """Start a long poll in a thread and return once the server has it."""
    pool = ThreadPoolExecutor(1)
    before = len(http.get("/_calls").json())
    future = pool.submit(call, http, "getUpdates", timeout=seconds)
    pool.shutdown(wait=False)
    while len(http.get("/_calls").json()) == before:
        time.sleep(0.01)
    time.sleep(0.05)  # recorded a moment before it waits
    return future


def test_a_bot_sees_itself_and_unknown_methods_succeed(http: httpx.Client) -> None:
    me = call(http, "getMe").json()["result"]
    assert (me["id"], me["is_bot"]) == (123456, True)
    assert call(http, "setMyCommands", commands=[]).json() == {"ok": True, "result": True}
    assert call(http, "deleteWebhook").json() == {"ok": True, "result": True}
    assert call(http, "getWebhookInfo").json()["result"]["url"] == ""


def test_an_update_stays_until_a_later_offset_confirms_it(http: httpx.Client) -> None:
    first, second = queue(http, "one"), queue(http, "two")
    for _ in range(2):
        seen = call(http, "getUpdates").json()["result"]
        assert [update["message"]["text"] for update in seen] == ["one", "two"]
    left = call(http, "getUpdates", offset=first + 1).json()["result"]
    assert [update["update_id"] for update in left] == [second]
    assert call(http, "getWebhookInfo").json()["result"]["pending_update_count"] == 1
    assert call(http, "getUpdates", offset=second + 1).json()["result"] == []


def test_a_long_poll_waits_and_ends_when_a_message_arrives(http: httpx.Client) -> None:
    waiting = poll_later(http, 8)
    begin = time.monotonic()
    queue(http, "late")
    assert waiting.result().json()["result"][0]["message"]["text"] == "late"
    assert time.monotonic() - begin < 2


def test_an_empty_poll_ends_after_its_timeout(http: httpx.Client) -> None:
    begin = time.monotonic()
    assert call(http, "getUpdates", timeout=0.5).json() == {"ok": True, "result": []}
    assert 0.4 < time.monotonic() - begin < 2


def test_the_older_of_two_polls_gets_the_conflict(http: httpx.Client) -> None:
    older = poll_later(http, 8)
    newer = poll_later(http, 0.3)
    answer = older.result()
    assert answer.status_code == 409
    assert answer.json() == {"ok": False, "error_code": 409, "description": CONFLICT}
    assert newer.result().status_code == 200
    assert http.get("/_conflicts").json() == {"count": 1}


def test_a_webhook_is_told_and_conflicts_with_polling(http: httpx.Client) -> None:
    queue(http, "one")
    assert call(http, "setWebhook", url="https://bot.example.org/x").json()["result"] is True
    info = call(http, "getWebhookInfo").json()["result"]
    assert (info["url"], info["pending_update_count"]) == ("https://bot.example.org/x", 1)
    answer = call(http, "getUpdates")
    assert answer.status_code == 409
    assert answer.json() == {"ok": False, "error_code": 409, "description": WEBHOOK}
    call(http, "deleteWebhook", drop_pending_updates=True)
    assert call(http, "getUpdates").json() == {"ok": True, "result": []}


def test_polls_of_two_bots_do_not_disturb_each_other(http: httpx.Client) -> None:
    mine = poll_later(http, 0.5)
    other = http.post("/bot77:another-token/getUpdates", json={"timeout": 0.1})
    assert (other.status_code, mine.result().status_code) == (200, 200)
    assert http.get("/_conflicts").json() == {"count": 0}


def test_a_client_that_hung_up_is_no_conflict(http: httpx.Client) -> None:
    with (
        pytest.raises(httpx.ReadTimeout),
        httpx.Client(base_url=http.base_url, timeout=0.3) as lost,
    ):
        call(lost, "getUpdates", timeout=30)
    time.sleep(0.5)
    assert call(http, "getUpdates").status_code == 200
    assert http.get("/_conflicts").json() == {"count": 0}


@pytest.mark.parametrize("kind", ["json", "data", "multipart"])
def test_every_body_kind_is_read_and_recorded(http: httpx.Client, kind: str) -> None:
    params = {"chat_id": "7", "text": f"hello {TOKEN}"}
    sent: dict[str, Any] = {"json": params} if kind == "json" else {"data": params}
    if kind == "multipart":
        sent = {"files": {name: (None, value) for name, value in params.items()}}
    answer = http.post(f"/bot{TOKEN}/sendMessage", **sent).json()["result"]
    assert answer["text"] == params["text"]
    (recorded,) = http.get("/_calls").json()
    assert recorded["params"] == {"chat_id": "7", "text": "hello ***"}
    assert TOKEN not in http.get("/_calls").text
    http.delete("/_calls")
    assert http.get("/_calls").json() == []


@pytest.mark.parametrize("token", ["nonsense", "123", "abc:def", "123:"])
def test_a_malformed_token_is_refused(http: httpx.Client, token: str) -> None:
    assert http.get(f"/bot{token}/getMe").status_code == 401


def test_a_body_that_is_no_json_is_a_bad_request(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"/bot{TOKEN}/sendMessage", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)


def test_a_revoked_token_ends_at_once_and_the_bot_goes_on_with_the_new_one(
    http: httpx.Client,
) -> None:
    waiting = poll_later(http, 30)
    queued = {"token": TOKEN, "new": "123456:another-token"}
    assert http.post("/_revoke", json=queued).json() == {"ok": True}
    assert waiting.result(5).status_code == 409
    assert call(http, "getMe").status_code == 401
    number = queue(http, "while nobody asks")
    answer = http.post("/bot123456:another-token/getUpdates", json={"timeout": 0}).json()
    assert [update["update_id"] for update in answer["result"]] == [number]
    assert http.get("/_conflicts").json() == {"count": 0}
