"""Progress on a terminal, or in a log file: a line a step, nothing silent for long."""

from __future__ import annotations

import threading
import time

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from infra.machine.sinks import clean

_TELL_EVERY = 15.0


class TerminalProgress:
    """Shows each step as it ends; on a terminal also the one at work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._step = ""
        self._stop = threading.Event()

    def begin(self, name: str) -> None:
        """A step begins."""
        self._step = name
        if self._console.is_terminal:
            self._status = self._console.status(escape(name))
            self._status.start()
            return
        self._stop = threading.Event()
        threading.Thread(target=self._tell, args=(name, self._stop), daemon=True).start()

    def _tell(self, name: str, stop: threading.Event) -> None:
        begin = time.monotonic()
        while not stop.wait(_TELL_EVERY):
            seconds = time.monotonic() - begin
            self._console.print(f"    {name}: {seconds:.0f} s")

    def line(self, text: str) -> None:
        """A line of output: beside the step at work on a terminal, in a log by itself."""
        text = clean(text)
        if not self._step:
            self._console.print(f"  {escape(text)}", highlight=False)
        elif not self._console.is_terminal:
            self._console.print(f"    {escape(text)}", highlight=False)
        elif self._status:
            self._status.update(f"{escape(self._step)}  [dim]{escape(text[:100])}[/dim]")

    def end(self, name: str, seconds: float, problem: str) -> None:
        """A step ended."""
        self._step = ""
        self._stop.set()
        if self._status:
            self._status.stop()
            self._status = None
        mark = "[red]failed[/red]" if problem else "[green]ok[/green]"
        self._console.print(f"  {escape(name):<22} {seconds:6.1f} s  {mark}", highlight=False)
