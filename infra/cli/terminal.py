"""Progress on a terminal, or in a log file: a line a step, nothing silent for long."""

from __future__ import annotations

import threading
import time

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from infra.machine.progress import SHOWN_AFTER
from infra.machine.sinks import clean

_TELL_EVERY = 15.0
_PROGRESS_EVERY = 5.0
"""Seconds between two lines of a log that say how far a step is."""


class TerminalProgress:
    """Shows each step as it ends; on a terminal also the one at work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._step = ""
        self._began = 0.0
        self._progress = ""
        self._stop = threading.Event()

    def begin(self, name: str) -> None:
        """A step begins."""
        self._step, self._began, self._progress = name, time.monotonic(), ""
        if self._console.is_terminal:
            self._status = self._console.status(escape(name))
            self._status.start()
            return
        self._stop = threading.Event()
        threading.Thread(target=self._tell, args=(name, self._stop), daemon=True).start()

    def _tell(self, name: str, stop: threading.Event) -> None:
        begin = told = time.monotonic()
        while not stop.wait(_PROGRESS_EVERY):
            now = time.monotonic()
            text, self._progress = self._progress, ""
            if text or now - told >= _TELL_EVERY:
                shown = escape(text) or f"{now - begin:.0f} s"
                self._console.print(f"    {name}: {shown}", highlight=False)
                told = now

    def line(self, text: str) -> None:
        """A line of output: beside the step at work on a terminal, in a log by itself."""
        text = clean(text)
        if not self._step:
            self._console.print(f"  {escape(text)}", highlight=False)
        elif not self._console.is_terminal:
            self._console.print(f"    {escape(text)}", highlight=False)
        elif self._status:
            self._show(self._status, text)

    def progress(self, text: str) -> None:
        """How far the step at work is: at once on a terminal, now and then in a log."""
        text = clean(text)
        if self._status is None:
            self._progress = text
        elif time.monotonic() - self._began >= SHOWN_AFTER:
            self._show(self._status, text)

    def _show(self, status: Status, text: str) -> None:
        beside = f"  [dim]{escape(text[:100])}[/dim]" if text else ""
        status.update(f"{escape(self._step)}{beside}")

    def end(self, name: str, seconds: float, problem: str) -> None:
        """A step ended."""
        self._step = ""
        self._stop.set()
        if self._status:
            self._status.stop()
            self._status = None
        mark = "[red]failed[/red]" if problem else "[green]ok[/green]"
        self._console.print(f"  {escape(name):<22} {seconds:6.1f} s  {mark}", highlight=False)
