"""A TCP proxy on loopback that hands on each byte later: a line to a server that is far away."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Counts:
    """What has gone over a line so far."""

    connections: int = 0
    bytes: int = 0


@contextmanager
def slow_line(port: int, one_way: float) -> Iterator[tuple[int, Counts]]:
    """A port of this machine that leads to another one, `one_way` seconds later each way."""
    counts = Counts()
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = (server, port, one_way, counts)
        threading.Thread(target=_accept, args=words, daemon=True).start()
        yield server.getsockname()[1], counts


def _accept(server: socket.socket, port: int, one_way: float, counts: Counts) -> None:
    with suppress(OSError):
        while True:
            near, _ = server.accept()
            counts.connections += 1
            far = socket.create_connection(("127.0.0.1", port))
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Way(source, sink, one_way, counts).start()


class _Way:
    """One direction: read at once, written when it is time."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, one_way: float, counts: Counts
    ) -> None:
        self._source, self._sink, self._one_way, self._counts = source, sink, one_way, counts
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._more = threading.Condition()

    def start(self) -> None:
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(65536)
            except OSError:
                data = b""
            with self._more:
                self._counts.bytes += len(data)
                self._waiting.append((time.monotonic() + self._one_way, data))
                self._more.notify()

    def _write(self) -> None:
        while True:
            with self._more:
                while not self._waiting:
                    self._more.wait()
                due, data = self._waiting.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)
            except OSError:
                return
