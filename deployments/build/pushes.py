"""What a build says of its pushes, as BuildKit prints them with `--progress plain`.

An engine's own builder pushes `REF with docker`, and its step ends afterwards; any other one ends with
`pushing manifest for REF@sha256:...`.
"""

from __future__ import annotations

import re

from deployments.build.transfers import SentLayer

_BEGINS = re.compile(r"^(#\d+) (?:\[[^]]*\] )?pushing (\S+) with docker$")
_LAYER = re.compile(
    r"^(#\d+) pushing layer ([0-9a-f]{12})(?: (\d+(?:\.\d+)?)(B|kB|MB|GB|TB) /"
    r" (\d+(?:\.\d+)?)(B|kB|MB|GB|TB))?(?: \d+\.\d+s)?( done)?$",
    re.ASCII,
)
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
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

    def sent(self, line: str) -> tuple[str, SentLayer] | None:
        """The tag of an image that is pushed, and how far a layer of it is; None for every other line.

        A builder of its own, other than the engine's, tells nothing of layers.
        """
        match = _LAYER.match(line)
        tag = self._begun.get(match[1]) if match else None
        if match is None or tag is None:
            return None
        _, layer, done, unit, total, of, ended = match.groups()
        if total is None:
            return tag, SentLayer(layer, 0, None, ended=bool(ended))
        return tag, SentLayer(layer, _bytes(done, unit), _bytes(total, of), ended=bool(ended))


def _bytes(figure: str, unit: str) -> int:
    return round(float(figure) * _UNITS[unit])
