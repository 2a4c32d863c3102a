"""What a verb prints: its progress, and its result as text, as one JSON document, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from infra.cli import layout

_nowhere = Console(quiet=True)


@dataclass(frozen=True)
class Printing:
    """json: stdout is one document, for a program. quiet: nothing is printed but errors."""

    json: bool = False
    quiet: bool = False

    @property
    def progress(self) -> Console:
        """Where the lines of a run go."""
        return _nowhere if self.quiet else self.questions

    @property
    def questions(self) -> Console:
        """Where a person is asked, and sees what for: also when nothing else is printed."""
        return layout.errors if self.json or self.quiet else layout.console

    def result(self, data: Any, as_text: Callable[[Any], None]) -> None:
        """The end of a run that went well."""
        if self.json:
            layout.as_json(data)
        elif not self.quiet:
            as_text(data)
