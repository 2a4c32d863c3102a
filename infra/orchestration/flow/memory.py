"""What a look remembers, where the next one finds it.

With a Prefect server it is a variable there: flow containers keep no files. Without one, or
where an account may not have it, it is a file of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.variables import Variable

from deployments.health.alerts import Memory
from infra.look.memory import FileMemory, packed, read
from infra.orchestration.flow import presence
from infra.orchestration.flow.embedded import named

T = TypeVar("T")
READABLE = 2000
"""Characters up to which it is kept as people can read it: Prefect counts each quote twice."""


class Remembered:
    """Keeps one environment's memory between two runs."""

    def __init__(self, environment: str) -> None:
        self._name = "homeguru_watch_" + re.sub(r"[^a-z0-9]", "_", environment)
        self._file = FileMemory(environment)
        self._on_server = bool(named(PREFECT_API_URL.value()))
        self._kept: Memory | None = None

    def load(self) -> Memory:
        """What the last look left; nothing before the first."""
        self._kept = self._with_fallback(
            lambda: read(str(Variable.get(self._name, default=""))), self._file.load
        )
        return self._kept

    def save(self, memory: Memory) -> None:
        """Keep it for the next one. Most looks find nothing new, and write nothing."""
        if memory == self._kept:
            return
        self._kept = memory
        text = memory.model_dump_json()
        if len(text) > READABLE:
            text = packed(memory)
        self._with_fallback(
            lambda: Variable.set(self._name, text, overwrite=True), lambda: self._file.save(memory)
        )

    def _with_fallback(self, on_server: Callable[[], T], in_file: Callable[[], T]) -> T:
        if self._on_server:
            try:
                answer = presence.ask(lambda: (on_server(),), None)
            except (PrefectHTTPStatusError, ValueError):
                # A look goes on without what it cannot keep there.
                answer = None
            if answer is not None:
                return answer[0]
            self._on_server = False
        return in_file()
