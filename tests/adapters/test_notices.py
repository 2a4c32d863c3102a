"""Notices over the wire: Telegram's Bot API, a Slack webhook, and what cannot be sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from apprise.plugins.ntfy import NotifyNtfy
from apprise.plugins.slack import NotifySlack

from deployments.messages.notices import Notice
from infra import notices
from infra.notices import Sent

NOTICE = Notice("failure", "production: deploy failed", "api: 503 <b>&\nдальше: исправить")
TOKEN = "123456789:" + "A" * 35
TELEGRAM = f"tgram://{TOKEN}/1001/"
SLACK = "slack://T12345678/B12345678/abcdefghijklmnopqrstuvwx/"


class Sink(HTTPServer):
    """Answers as it is told, and keeps what it got."""

    status = 200
    blocked: frozenset[int | str] = frozenset()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        message = self.server.got[-1][1]
        chat = message.get("chat_id") or message.get("topic")
        self.send_response(403 if chat in self.server.blocked else self.server.status)
        self.end_headers()
        self.wfile.write(b'{"ok": true, "result": {}}' if "/bot" in self.path else b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    server = Sink()
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{server.url}/services")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_telegram_through_a_bot_api_server_of_ones_own(sink: Sink) -> None:
    assert notices.send(TELEGRAM, NOTICE, telegram_api=f"{sink.url}/") == Sent(1, ())
    ((path, message),) = sink.got
    assert path == f"/bot{TOKEN}/sendMessage"
    assert message["chat_id"] == 1001
    for part in ("production: deploy failed", "503 &lt;b&gt;&amp;", "дальше: исправить"):
        assert part in message["text"]


def test_a_slack_webhook(sink: Sink) -> None:
    assert notices.send(SLACK, NOTICE) == Sent(1, ())
    ((path, message),) = sink.got
    assert path.startswith("/services/T12345678/B12345678/")
    assert "deploy failed" in json.dumps(message)
    assert "дальше: исправить" in json.dumps(message, ensure_ascii=False)


def test_each_address_is_told_and_one_that_fails_does_not_stop_the_next(sink: Sink) -> None:
    urls = f"nonsense://x {SLACK}\n{TELEGRAM}"
    said = notices.send(urls, NOTICE, telegram_api=sink.url)
    assert said == Sent(2, ("nonsense: not an address that apprise knows",))
    assert len(sink.got) == 2


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("   ", "the secret of [notices] urls is empty"),
        ("just-a-token-of-some-kind", "an address without a kind: not an address that apprise knows"),
        (TELEGRAM, "tgram: not accepted, or no answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_said_without_the_secret(urls: str, said: str) -> None:
    found = notices.send(urls, NOTICE, telegram_api="http://127.0.0.1:9")
    assert found == Sent(0, (said,))
    assert TOKEN not in repr(found)


def test_an_address_that_is_not_known_is_logged_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """apprise itself writes all of it; where a flow runs, that is the container's output."""
    with caplog.at_level("DEBUG"):
        notices.send(f"tgramm://{TOKEN}/1 mailto://ada:{TOKEN}@", NOTICE)
    assert TOKEN not in caplog.text


def test_a_long_plan_is_told_in_parts_that_telegram_takes(sink: Sink) -> None:
    long = Notice(
        "warning", "production: waits", "\n".join(f"step {n}: {'x' * 90}" for n in range(99))
    )
    assert notices.send(TELEGRAM, long, telegram_api=sink.url) == Sent(1, ())
    texts = [message["text"] for _, message in sink.got]
    assert len(texts) > 1
    assert max(map(len, texts)) <= 4096
    assert "step 98" in texts[-1]


def test_a_refusal_is_tried_once_more(sink: Sink) -> None:
    sink.status = 500
    assert notices.send(TELEGRAM, NOTICE, telegram_api=sink.url).failed == (
        "tgram: not accepted, or no answer",
    )
    assert len(sink.got) == notices.TRIES


def test_a_chat_that_blocked_the_bot_lets_nobody_else_be_told_twice(sink: Sink) -> None:
    sink.blocked = frozenset({1002})
    sent = notices.send(f"tgram://{TOKEN}/1001/1002/1003", NOTICE, telegram_api=sink.url)
    assert sent == Sent(2, ("tgram: not accepted, or no answer",))
    assert [message["chat_id"] for _, message in sink.got] == [1001, 1002, 1002, 1003]


def test_a_channel_that_is_not_there_lets_no_other_be_told_twice(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack says channels, ntfy topics, and Matrix rooms, where Telegram says targets."""
    monkeypatch.setattr(NotifyNtfy, "request_rate_per_sec", 0)
    sink.blocked = frozenset({"typo"})
    port = sink.url.rpartition(":")[2]
    sent = notices.send(f"ntfy://127.0.0.1:{port}/ops/typo", NOTICE)
    assert sent == Sent(1, ("ntfy: not accepted, or no answer",))
    assert [message["topic"] for _, message in sink.got] == ["ops", "typo", "typo"]
