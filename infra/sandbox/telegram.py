"""A stand-in of the Telegram Bot API for bots that poll; `python -m infra.sandbox.telegram --port 8081`.

`/bot<token>/<method>` answers like api.telegram.org: long polling with offsets, and 409
for the older of two overlapping polls of one token, or for a poll while a webhook is set. `/_calls`, `/_updates`, `/_conflicts`,
`/_polls`, `/_revoke` are for tests. Standard library and `bots.py` only: both run in a bare Python image.
Tokens are secrets: they are kept in memory as keys, never recorded or logged.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import signal
import socket
import sys
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra.sandbox.bots import Bot, Telegram, message

CONFLICT = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{3,}")


def hung_up(connection: socket.socket) -> bool:
    """Tell whether the client of a waiting request has closed its connection."""
    try:
        ready, _, _ = select.select([connection], [], [], 0)
        return bool(ready) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


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
        telegram, request = self.server.telegram, (self.command, path)
        if request == ("GET", "/_calls"):
            return self._send(200, list(telegram.calls))
        if request == ("DELETE", "/_calls"):
            telegram.calls.clear()
            return self._send(200, {"ok": True})
        if request == ("POST", "/_updates"):
            chat = int(params.get("chat_id", 1))
            return self._send(200, telegram.queue(str(params["token"]), str(params["text"]), chat))
        if request == ("POST", "/_revoke"):
            telegram.revoke(str(params["token"]), str(params["new"]))
            return self._send(200, {"ok": True})
        if request == ("GET", "/_polls"):
            bot = telegram.bots.get(str(params["token"]), Bot())
            return self._send(200, list(bot.polls))
        if request == ("GET", "/_conflicts"):
            return self._send(200, {"count": telegram.conflicts})
        return self._send(404, {"error": "unknown"})

    def _bot(self, path: str, params: dict[str, Any]) -> None:
        match = re.fullmatch(r"/bot([^/]+)/(\w+)", path)
        if match is None:
            return self._send(404, _error(404, "Not Found"))
        token, method = match.groups()
        if not TOKEN.fullmatch(token) or token in self.server.telegram.revoked:
            return self._send(401, _error(401, "Unauthorized"))
        self.server.telegram.record(method, self.client_address[0], _masked(params, token))
        bot = self.server.telegram.bots.get(token, Bot())
        if method.lower() == "getupdates" and bot.webhook:
            return self._send(409, _error(409, WEBHOOK))
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
            bot = telegram.bots.get(token, Bot())
            info = {"url": bot.webhook, "has_custom_certificate": False}
            return {**info, "pending_update_count": len(bot.updates)}
        if method in ("setwebhook", "deletewebhook"):
            drop = str(params.get("drop_pending_updates", "")).lower() in ("true", "1")
            telegram.hook(
                token, "" if method == "deletewebhook" else str(params.get("url", "")), drop=drop
            )
            return True
        if method != "sendmessage":
            return True
        number = next(telegram.numbers)
        return message(number, params.get("chat_id", 0), params.get("text", ""))

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
