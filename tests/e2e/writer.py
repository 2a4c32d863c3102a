"""Somebody who writes all the while: which rows were acknowledged?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


class Writer:
    """Inserts numbered rows through the API; remembers which were acknowledged."""

    def __init__(self, url: str, word: str = "row") -> None:
        self.url, self.acked, self._on, self._number = url, [], False, 0
        self._word = word
        self._thread: threading.Thread | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._on = True
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._on = False
            self._thread.join(30)

    def _write(self) -> None:
        with httpx.Client(trust_env=False, timeout=5) as client:
            while self._on:
                self._number += 1
                text = f"{self._word} {self._number}"
                try:
                    if client.post(f"{self.url}/messages", json={"text": text}).status_code == 201:
                        self.acked.append(text)
                except httpx.HTTPError:
                    pass
                time.sleep(0.1)
