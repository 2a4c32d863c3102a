"""A stand-in of the Telegram Bot API for bots that poll; `python telegram.py --port 8081`.

`/bot<token>/<method>` answers like api.telegram.org: long polling with offsets, and 409
for the older of two overlapping polls of one token. `/_calls`, `/_updates`, `/_conflicts`,
`/_polls` are for tests. Standard library only: it runs in a bare Python image. Tokens are secrets:
they are kept in memory as keys, never recorded or logged.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CONFLICT = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{3,}")
#: Longest poll and how often it looks whether its client is still there, seconds; kept calls.
LONGEST_POLL, LOOK_EVERY, KEPT_CALLS = 50.0, 0.2, 5000


@dataclass
class Bot:
    """State of one token: updates not yet confirmed, and the poll that waits now."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    next_id: int = 1
    poll: int = 0
    waiting: bool = False
    polls: list[list[float]] = field(default_factory=list)
    """Begin and end of each, seconds since the epoch."""


class Telegram:
    """All bots, the recorded calls and the number of conflicts; safe across threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.bots: dict[str, Bot] = {}
        self.calls: list[dict[str, Any]] = []
        self.conflicts = 0
        self.numbers = itertools.count(1)

    def record(self, method: str, client: str, params: dict[str, Any]) -> None:
        """Keep one call, with its time in seconds since the epoch."""
        call = {"method": method, "at": time.time(), "client": client, "params": params}
        with self.changed:
            self.calls.append(call)
            del self.calls[:-KEPT_CALLS]

    def queue(self, token: str, text: str, chat_id: int) -> dict[str, Any]:
        """Queue a message from a person as the token's next update; returns the update."""
        with self.changed:
            bot = self.bots.setdefault(token, Bot())
            message = _message(bot.next_id, chat_id, text)
            message["from"] = {"id": chat_id, "is_bot": False, "first_name": "Test"}
            update = {"update_id": bot.next_id, "message": message}
            bot.updates.append(update)
            bot.next_id += 1
            self.changed.notify_all()
        return update

    def poll(
        self, token: str, params: dict[str, Any], gone: Callable[[], bool]
    ) -> list[dict[str, Any]] | None:
        """Answer one getUpdates: its updates, or None when a newer poll terminated it.

        `gone` tells that nobody waits for the answer any more.
        """
        offset, limit = int(params.get("offset") or 0), int(params.get("limit") or 100)
        end = time.monotonic() + min(float(params.get("timeout") or 0), LONGEST_POLL)
        with self.changed:
            bot = self.bots.setdefault(token, Bot())
            kept = [time.time(), 0.0]
            bot.polls.append(kept)
            del bot.polls[:-KEPT_CALLS]
            bot.poll += 1  # a waiting older poll sees this and ends
            mine = bot.poll
            if bot.waiting:
                self.conflicts += 1
                self.changed.notify_all()
            bot.waiting = True
            # A negative offset keeps that many of the last updates.
            last = [update for update in bot.updates if update["update_id"] >= offset]
            bot.updates = bot.updates[offset:] if offset < 0 else last
            while not bot.updates and bot.poll == mine:
                if (left := end - time.monotonic()) <= 0 or gone():
                    break
                self.changed.wait(min(left, LOOK_EVERY))
            kept[1] = time.time()
            if bot.poll != mine:
                return None
            bot.waiting = False
            return bot.updates[: max(1, min(limit, 100))]


def hung_up(connection: socket.socket) -> bool:
    """Tell whether the client of a waiting request has closed its connection."""
    try:
        ready, _, _ = select.select([connection], [], [], 0)
        return bool(ready) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _message(number: int, chat_id: Any, text: Any) -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private", "first_name": "Test"}
    return {"message_id": number, "date": int(time.time()), "chat": chat, "text": text}


def parse_body(kind: str, body: bytes) -> dict[str, Any]:
    """Read parameters from a JSON, form or multipart body; anything else gives none."""
    if not body:
        return {}
    if kind.startswith("application/json"):
        value = json.loads(body)
        return value if isinstance(value, dict) else {}
    if not kind.startswith("multipart/form-data"):
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    whole = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    params: dict[str, Any] = {}
    for part in whole.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            payload = part.get_payload(decode=True)
            params[name] = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
    return params


class Handler(BaseHTTPRequestHandler):
    """One connection; the server object holds the shared Telegram state."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: request lines contain the token."""

    def do_GET(self) -> None:
        """Answer any request: the Bot API treats GET and POST alike."""
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            params = dict(parse_qsl(address.query))
            params |= parse_body(self.headers.get("Content-Type", ""), body)
            if address.path.startswith("/_"):
                self._control(address.path, params)
            else:
                self._bot(address.path, params)
        except (ValueError, KeyError) as error:
            self._send(400, _error(400, f"Bad Request: {type(error).__name__}"))

    do_POST = do_DELETE = do_GET

    def _control(self, path: str, params: dict[str, Any]) -> None:
        telegram, asked = self.server.telegram, (self.command, path)
        if asked == ("GET", "/_calls"):
            return self._send(200, list(telegram.calls))
        if asked == ("DELETE", "/_calls"):
            telegram.calls.clear()
            return self._send(200, {"ok": True})
        if asked == ("POST", "/_updates"):
            chat = int(params.get("chat_id", 1))
            return self._send(200, telegram.queue(str(params["token"]), str(params["text"]), chat))
        if asked == ("GET", "/_polls"):
            bot = telegram.bots.get(str(params["token"]), Bot())
            return self._send(200, list(bot.polls))
        if asked == ("GET", "/_conflicts"):
            return self._send(200, {"count": telegram.conflicts})
        return self._send(404, {"error": "unknown"})

    def _bot(self, path: str, params: dict[str, Any]) -> None:
        found = re.fullmatch(r"/bot([^/]+)/(\w+)", path)
        if found is None:
            return self._send(404, _error(404, "Not Found"))
        token, method = found.groups()
        if not TOKEN.fullmatch(token):
            return self._send(401, _error(401, "Unauthorized"))
        self.server.telegram.record(method, self.client_address[0], _masked(params, token))
        if method.lower() == "getupdates":
            updates = self.server.telegram.poll(token, params, lambda: hung_up(self.connection))
            if updates is None:
                return self._send(409, _error(409, CONFLICT))
            return self._send(200, {"ok": True, "result": updates})
        return self._send(200, {"ok": True, "result": self._result(token, method.lower(), params)})

    def _result(self, token: str, method: str, params: dict[str, Any]) -> Any:
        telegram = self.server.telegram
        if method == "getme":
            number = int(token.split(":")[0])
            name = f"test_{number}_bot"
            return {"id": number, "is_bot": True, "first_name": "Test bot", "username": name}
        if method == "getwebhookinfo":
            pending = len(telegram.bots.get(token, Bot()).updates)
            return {"url": "", "has_custom_certificate": False, "pending_update_count": pending}
        if method != "sendmessage":
            return True
        number = next(telegram.numbers)
        return _message(number, params.get("chat_id", 0), params.get("text", ""))

    def _send(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client hung up while we were busy
            self.close_connection = True


def _error(code: int, description: str) -> dict[str, Any]:
    return {"ok": False, "error_code": code, "description": description}


def _masked(value: Any, token: str) -> Any:
    """Return `value` with the token replaced, also deep inside lists and objects."""
    return json.loads(json.dumps(value).replace(token, "***"))


class Server(ThreadingHTTPServer):
    """The HTTP server; port 0 takes a free one (`server_address`)."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.telegram = Telegram()


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description="Telegram Bot API stand-in")
    parser.add_argument("--port", type=int, default=8081)
    arguments = parser.parse_args()
    # The first process of a container gets no default action for SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server("0.0.0.0", arguments.port).serve_forever()


if __name__ == "__main__":
    main()
