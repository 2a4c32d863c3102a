"""Requests against both ports, fifty a second or RATE, in a process of its own.

`python -m tests.e2e.zero.load API PAGE FILE RATE` writes one line of JSON for each request until its
standard input ends: kind, when it began (CLOCK_MONOTONIC, the same in every process), seconds, and
what failed. Sessions without an end (a socket, a stream) that the other side closes are `cut`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

RATE = 50
MIX = {
    "GET api": 13, "GET api, new connection": 8, "POST api": 6, "POST api, new connection": 4,
    "POST slow": 2, "GET slow": 3, "GET page": 7, "GET page, new connection": 7,
}  # fmt: skip
"""Of fifty requests, how many are of which kind."""
PHOTO = b"p" * 5_000_000
CUT = "cut"


class Load:
    """Asks, and writes down how each request ended."""

    def __init__(self, api: str, page: str, file: TextIO, rate: float) -> None:
        self._api, self._page, self._file, self._rate = api, page, file, rate
        self._numbers = itertools.count()
        self.run = uuid.uuid4().hex[:6]

    async def play(self, stop: asyncio.Event) -> None:
        """Ask until told to stop, then wait for what is under way."""
        # An idle connection may be closed just as it is used again: a client gives it up before.
        kept = httpx.Limits(max_keepalive_connections=20, keepalive_expiry=5)
        fresh = httpx.Limits(max_keepalive_connections=0)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=30, limits=kept) as self._kept,
            httpx.AsyncClient(trust_env=False, timeout=30, limits=fresh) as self._fresh,
        ):
            long = [
                asyncio.create_task(work(stop))
                for work in (self._sockets, self._streams, self._photos, self._readers)
            ]
            under_way = await self._ticks(stop)
            for task in long:
                task.cancel()
            await asyncio.gather(*under_way, *long, return_exceptions=True)

    async def _ticks(self, stop: asyncio.Event) -> set[asyncio.Task[None]]:
        """One request after the other at that rate, whatever became of the ones before."""
        tasks: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        for number, kind in enumerate(itertools.cycle(_spread(MIX))):
            await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
            if stop.is_set():
                return tasks
            task = asyncio.create_task(self._asked(kind, self._one(kind)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        raise AssertionError("a cycle has no end")

    def _one(self, kind: str) -> Awaitable[httpx.Response]:
        client = self._fresh if kind.endswith("new connection") else self._kept
        if kind.startswith("POST"):
            text = f"load {self.run} {next(self._numbers)}"
            more = {"seconds": 0.8} if kind == "POST slow" else {}
            return client.post(f"{self._api}/messages", json={"text": text}, params=more)
        if kind == "GET slow":
            return client.get(f"{self._api}/slow")
        if kind.startswith("GET page"):
            return client.get(self._page)
        return client.get(f"{self._api}/messages?limit=1")

    async def _asked(self, kind: str, request: Awaitable[httpx.Response]) -> None:
        async with self._noted(kind):
            answer = await request
            if answer.status_code >= 300:
                raise Failed(str(answer.status_code))

    @asynccontextmanager
    async def _noted(self, kind: str) -> AsyncIterator[None]:
        began, failed = time.monotonic(), ""
        try:
            yield
        except Failed as error:
            failed = str(error)
        except (httpx.HTTPError, OSError, EOFError) as error:
            failed = type(error).__name__
        self._note(kind, began, failed)

    def _note(self, kind: str, began: float, failed: str) -> None:
        took = time.monotonic() - began
        self._file.write(json.dumps([kind, round(began, 3), round(took, 4), failed]) + "\n")

    # -- what lasts -------------------------------------------------------------------

    async def _sockets(self, stop: asyncio.Event) -> None:
        address = self._api.replace("http://", "ws://")

        async def once(note: Callable[[str], None]) -> None:
            async with connect(f"{address}/echo", proxy=None) as socket:
                try:
                    while not stop.is_set():
                        await socket.send(text := str(next(self._numbers)))
                        note("" if await socket.recv() == text else "another text")
                        await asyncio.sleep(0.5)
                except ConnectionClosed:
                    note(CUT)

        await self._again("WebSocket", once, stop)

    async def _streams(self, stop: asyncio.Event) -> None:
        async def once(note: Callable[[str], None]) -> None:
            async with self._fresh.stream("GET", f"{self._api}/events") as answer:
                if answer.status_code != 200:
                    raise Failed(str(answer.status_code))
                try:
                    async for line in answer.aiter_lines():
                        if line:
                            note("")
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    pass
                note(CUT)

        await self._again("event stream", once, stop)

    async def _again(
        self,
        kind: str,
        once: Callable[[Callable[[str], None]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """Sessions one after another; one that cannot begin is a failure."""
        while not stop.is_set():
            try:
                await once(lambda found: self._note(kind, time.monotonic(), found))
            except Exception as error:
                said = str(error) if isinstance(error, Failed) else type(error).__name__
                self._note(kind, time.monotonic(), said)
                await asyncio.sleep(0.5)

    async def _photos(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._noted("POST 5 MB"):
                answer = await self._kept.post(f"{self._api}/photos", content=PHOTO)
                if answer.status_code != 200 or answer.json()["size"] != len(PHOTO):
                    raise Failed(str(answer.status_code))
            await asyncio.sleep(3)

    async def _readers(self, stop: asyncio.Event) -> None:
        """Five megabytes, read over about four seconds."""
        while not stop.is_set():
            async with (
                self._noted("slow reader"),
                self._fresh.stream("GET", f"{self._api}/photos") as answer,
            ):
                async for _ in answer.aiter_raw(65_536):
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1)


class Failed(Exception):
    """An answer that is none."""


def _spread(mix: dict[str, int]) -> list[str]:
    """The kinds of fifty requests, each as evenly spread as its number allows."""
    places = [((n + 0.5) / many, kind) for kind, many in mix.items() for n in range(many)]
    return [kind for _, kind in sorted(places)]


async def main(api: str, page: str, path: str, rate: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    with Path(path).open("w", buffering=1) as file:
        await Load(api, page, file, float(rate)).play(stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
