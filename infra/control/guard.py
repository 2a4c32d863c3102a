"""Between the gateway and the Prefect server: the changes of machine accounts, checked by `rules`.

It also counts wrong passwords for the gateway, which checks them and has no memory of them. The
gateway says who asks and from where, in headers that it sets itself; nobody else reaches this port
from outside. `python -m infra.control.guard` serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from infra.control.rules import NotAllowed, Rules
from infra.control.throttle import Throttle

ACCOUNT = "x-homeguru-account"
CLIENT = "x-homeguru-client"
"""Address of whoever sends a password, as the gateway sees it."""
PORT = 4300
_LARGEST = 10_000_000
#: Of one connection, or describing bytes that are written anew.
_DROPPED = {
    "host", "connection", "content-length", "content-encoding", "transfer-encoding", "authorization",
    "accept-encoding", "keep-alive", "upgrade", "te", "trailer", ACCOUNT, CLIENT,
}  # fmt: skip
_PROTOCOL = "prefect"
_log = logging.getLogger("uvicorn.error")


class Guard:
    """One server's guard. `url` ends in `/api`."""

    def __init__(
        self, url: str, transport: httpx.AsyncBaseTransport | None = None,
        throttle: Throttle | None = None,
    ) -> None:  # fmt: skip
        self._client = httpx.AsyncClient(
            base_url=url.removesuffix("/api"), timeout=60, transport=transport, trust_env=False
        )
        self._events = f"{url.replace('http', 'ws', 1)}/events/in"
        self._rules = Rules(self._find)
        self._throttle = Throttle() if throttle is None else throttle

    def app(self) -> Starlette:
        """The application that the container serves."""
        methods = ["POST", "PATCH"]
        return Starlette(
            routes=[
                Route("/alive", _alive),
                Route("/may-log-in", self._may_log_in, methods=["GET"]),
                Route("/wrong-password", self._wrong_password, methods=["GET"]),
                WebSocketRoute("/api/events/in", self._stream),
                Route("/{path:path}", self._pass_on, methods=methods),
            ]
        )

    async def _may_log_in(self, request: Request) -> Response:
        """Asked before a password is checked; an answer that is no success goes to the client."""
        try:
            seconds = math.ceil(self._throttle.wait(request.headers.get(CLIENT, "")))
        except ValueError:
            return PlainTextResponse("the gateway does not say who asks", 400)
        if not seconds:
            return Response(status_code=204)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        return PlainTextResponse(
            "too many wrong passwords came from this address: none is checked until "
            f"{until:%H:%M:%S} UTC, in {seconds} s\n",
            429, {"Retry-After": str(seconds)},
        )  # fmt: skip

    async def _wrong_password(self, request: Request) -> Response:
        """The gateway refused a password, and answers its client itself."""
        address = request.headers.get(CLIENT, "")
        with contextlib.suppress(ValueError):
            self._throttle.wrong(address)
            if seconds := math.ceil(self._throttle.wait(address)):
                _log.warning("too many wrong passwords: %s waits %s s", address, seconds)
        return Response(status_code=204)

    async def _find(self, path: str) -> Any:
        answer = await self._client.get(f"/api{path}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()

    async def _pass_on(self, request: Request) -> Response:
        # The address as it was sent: what is encoded or has a query fits no rule.
        path = request.scope["raw_path"].decode("latin-1")
        if request.scope["query_string"]:
            return _refused("a query")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST:
                return _refused("a body of more than 10 MB")
        account = request.headers.get(ACCOUNT, "")
        try:
            sent = await self._rules.checked(account, request.method, path, bytes(body))
            headers = {k: v for k, v in request.headers.items() if k not in _DROPPED}
            headers["content-type"] = "application/json"
            answer = await self._client.request(request.method, path, content=sent, headers=headers)
        except NotAllowed as refusal:
            return _refused(str(refusal))
        except httpx.HTTPError as error:
            return PlainTextResponse(f"the server does not answer: {type(error).__name__}", 503)
        answer_headers = {k: v for k, v in answer.headers.items() if k not in _DROPPED}
        return Response(answer.content, answer.status_code, answer_headers)

    async def _stream(self, socket: WebSocket) -> None:
        """Events of the reporter's own runs; any other is dropped, and the stream goes on."""
        if socket.headers.get(ACCOUNT) != "reporter":
            await socket.close(1008)
            return
        await socket.accept(_PROTOCOL)
        protocol = [websockets.Subprotocol(_PROTOCOL)]
        with contextlib.suppress(WebSocketDisconnect, websockets.ConnectionClosed, OSError):
            async with websockets.connect(self._events, subprotocols=protocol) as server:
                # The first message is Prefect's own handshake, answered by the server.
                await server.send(await socket.receive_text())
                await socket.send_text(str(await server.recv()))
                while True:
                    try:
                        event = await self._rules.event(await socket.receive_text())
                    except NotAllowed as refusal:
                        _log.warning("event dropped: %s", refusal)
                        continue
                    except httpx.HTTPError:
                        break  # the client sends again what was not confirmed
                    await server.send(event)
        with contextlib.suppress(RuntimeError):
            await socket.close()


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive")


def _refused(what: str) -> Response:
    _log.warning("refused: %s", what)
    return PlainTextResponse(f"this account may not send that: {what}", 403)


if __name__ == "__main__":
    served = uvicorn.Config(
        Guard(os.environ["PREFECT_API_URL"]).app(),
        host="0.0.0.0",  # noqa: S104  the container's network is the only one
        port=PORT, log_level="warning", ws="websockets", ws_max_size=_LARGEST,
    )  # fmt: skip
    asyncio.run(uvicorn.Server(served).serve())
