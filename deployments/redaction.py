"""The one redactor: takes the values of secrets out of text, however they are written in it."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters below which a value is no secret, and would blot out words."""
_SHORTEST_LINE = 12
"""The same for one line of a value of several."""
HIDDEN = "***"


class Redactor:
    """Replaces every known value by stars: as it is, and as programs write it.

    Known forms: base64 at any offset and in both alphabets, hexadecimal, percent-encoded, escaped
    as in JSON, HTML, a shell or Python, and each line of a value of several lines.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these too, from now on."""
        new = {v for v in values if len(v) >= SHORTEST} - self._values
        if not new:
            return
        self._values |= new
        forms = {form for value in self._values for form in _forms(value)}
        # The longest first: one may be a part of another.
        longest = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest)))

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _forms(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogateescape")
    whole = {
        value, data.hex(), data.hex().upper(), html.escape(value), html.escape(value, quote=False),
        json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"), shlex.quote(value),
        value.replace("'", "'\\''"), re.sub(r"([^\w@%+=:,./-])", r"\\\1", value, flags=re.ASCII),
        *_percent(data),
    }  # fmt: skip
    several = value.splitlines() if "\n" in value else []
    lines = {line.strip() for line in several if len(line.strip()) >= _SHORTEST_LINE}
    return {form for form in whole | _base64(data) if len(form) >= SHORTEST} | lines


def _percent(data: bytes) -> set[str]:
    forms = {quote(data, safe=safe) for safe in ("", "/", "/:@", "/:@!$&'()*+,;=~")}
    forms.add(quote_plus(data))
    # Some programs write the digits in small letters.
    return forms | {re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), f) for f in forms}


def _base64(data: bytes) -> set[str]:
    """What is sure to be in a base64 text that holds these bytes somewhere."""
    forms = set()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        # The first characters, and the last one, share their bits with their neighbours.
        first = (0, 2, 3)[offset]
        last = len(text) if (len(data) + offset) % 3 == 0 else len(text) - 1
        part = text[first:last]
        forms |= {part, part.replace("+", "-").replace("/", "_")}
    return forms
