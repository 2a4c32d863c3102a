"""Secrets that are recognised wherever they turn up, and the ways in which they may be written there.

Every secret that a test invents begins and ends with the same random letters and digits: escaping, quoting
and line breaks between them change neither, so two short words find them all. What has a form of its own,
such as a private key, is recognised by parts of its contents.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LETTERS = string.ascii_letters + string.digits
_FIRST = "".join(set(string.ascii_letters) - set("nrt"))
_EDGE = 10
"""Characters of each end: 59 bits, so that none comes up by chance in any amount of data."""
_OWN = 15
"""Characters between them: together they fit a Telegram token."""
AWKWARD = "@:/?#&=+ %$'<>|;\\n"
"""Characters that some program escapes, quotes or takes for its own."""


def word(length: int) -> str:
    """Random letters and digits. The first is a letter, and none that a backslash makes a line break of."""
    return secrets.choice(_FIRST) + "".join(secrets.choice(_LETTERS) for _ in range(length - 1))


@dataclass(frozen=True)
class Marker:
    """A secret and what gives it away.

    needles: parts of which any one is a leak. own: the part that tells it from the others.
    """

    name: str
    value: str = field(repr=False)
    needles: tuple[bytes, ...] = field(repr=False)
    own: bytes = field(repr=False)


class Maker:
    """Makes the secrets of one run."""

    def __init__(self) -> None:
        self._head, self._tail = word(_EDGE), word(_EDGE)
        self.made: list[Marker] = []

    def secret(self, name: str, form: str = "{}", between: str = "") -> Marker:
        """A secret of a form with one `{}` in it. between: characters inside the value."""
        own = word(_OWN)
        value = form.format(f"{self._head}{between}{own}{self._tail}")
        return self._keep(name, value, (self._head.encode(), self._tail.encode()), own.encode())

    def lines(self, name: str) -> Marker:
        """A value of several lines, as a PEM has; each of the inner ones is recognised."""
        own = word(_OWN)
        text = f"-----BEGIN KEY-----\n{self._head}\n{own}{self._tail}\n-----END KEY-----"
        return self._keep(name, text, (self._head.encode(), self._tail.encode()), own.encode())

    def private_key(self, name: str, file: Path) -> Marker:
        """An Ed25519 key that a program made: by its seed, and by the lines of the file that hold it."""
        text = file.read_text()
        key = serialization.load_ssh_private_key(text.encode(), None)
        assert isinstance(key, Ed25519PrivateKey)
        seed = key.private_bytes_raw()
        lines = [line for line in text.splitlines() if line and not line.startswith("-----")]
        body = base64.b64decode("".join(lines))
        first, last = (place * 4 // 3 for place in (body.index(seed), body.index(seed) + len(seed)))
        written = "".join(lines)[first + 3 : last - 2].encode()
        return self._keep(name, text, (seed[:16], seed[16:], written[:14], written[-14:]), seed)

    def known(self, name: str, value: str) -> Marker:
        """What a program made, such as an age identity: by both of its ends."""
        body = value.rpartition("-")[2].strip().encode()
        return self._keep(name, value, (body[:20], body[-20:]), body)

    def _keep(self, name: str, value: str, needles: tuple[bytes, ...], own: bytes) -> Marker:
        made = Marker(name, value, needles, own)
        self.made.append(made)
        return made


def base64_forms(data: bytes) -> set[bytes]:
    """What is sure to be in a base64 text that holds these bytes, wherever they begin in it."""
    forms = set()
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + data).rstrip(b"=")
        # The characters at the ends share their bits with their neighbours.
        last = len(text) if (len(data) + offset) % 3 == 0 else len(text) - 1
        part = text[(0, 2, 3)[offset] : last]
        forms |= {part, part.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def encodings(needle: bytes) -> dict[str, set[bytes]]:
    """A needle as it stands in data without white space and zero bytes, by the kind of encoding."""
    low, up = needle.hex(), needle.hex().upper()

    def each(prefix: str, digits: str = low, after: str = "") -> bytes:
        return "".join(f"{prefix}{d}{after}" for d in re.findall("..", digits)).encode()

    encoded, quoted = base64_forms(needle), urllib.parse.quote(needle, safe="").encode()
    return {
        "raw": {needle},
        "base64": encoded,
        "base64 twice": {twice for once in encoded for twice in base64_forms(once)},
        "hex": {low.encode(), up.encode()},
        "escaped": {
            each("\\x"),
            each("\\x", up),
            each("\\u00"),
            each("\\u00", up),
            repr(needle)[2:-1].encode(),
            needle.replace(b"/", b"\\/"),
        },
        "percent": {
            each("%"),
            each("%", up),
            quoted,
            re.sub(rb"%..", lambda m: m[0].lower(), quoted),
        },
        "html": {b"".join(b"&#%d;" % n for n in needle), each("&#x", low, ";")},
        "numbers": {b",".join(b"%d" % number for number in needle)},
    }


def all_forms(markers: Iterable[Marker]) -> dict[bytes, str]:
    """Every form of every needle, with the kind of its encoding."""
    needles = {needle for marker in markers for needle in marker.needles}
    found: dict[bytes, str] = {}
    for needle in sorted(needles):
        for kind, forms in encodings(needle).items():
            for form in forms:
                found.setdefault(form, kind)
    return found
