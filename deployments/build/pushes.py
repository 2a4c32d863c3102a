"""What a build says of its pushes, as BuildKit prints them with `--progress plain`.

An engine's own builder pushes `REF with docker`, and its step ends afterwards; any other one ends with
`pushing manifest for REF@sha256:...`.
"""

from __future__ import annotations

import re

_BEGINS = re.compile(r"^(#\d+) (?:\[[^]]*\] )?pushing (\S+) with docker$")
_ENDS = re.compile(r"^(#\d+) DONE\b")
_MANIFEST = re.compile(r"^#\d+ pushing manifest for (\S+)@sha256:[0-9a-f]{64}\b.*\bdone$")


class Pushes:
    """Follows one build."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}

    def ended(self, line: str) -> str | None:
        """The tag whose push this line ends; None for every other line."""
        if match := _MANIFEST.match(line):
            return match[1]
        if match := _BEGINS.match(line):
            self._begun[match[1]] = match[2]
        elif match := _ENDS.match(line):
            return self._begun.pop(match[1], None)
        return None
