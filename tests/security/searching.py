"""Looks for secrets in what came out of a run: plain, encoded, split over lines, packed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.security.markers import Marker, all_forms, encodings
from tests.security.unpacking import unpacked

DEPTH = 4
"""Packed inside packed, so many times: a compressed file in a compressed layer of a saved image."""
_NEIGHBOURHOOD = 600
_BREAKS = (
    *(b"\\" * depth + letter for depth in (4, 2, 1) for letter in (b"n", b"r", b"t")),
    b"\\\n", b"\\\r\n", b"%0A", b"%0D", b"%0a", b"%0d",
)  # fmt: skip
"""Line breaks as JSON inside JSON, Python, a shell and a URL write them; the longest first."""
_BLANK = b" \t\r\n\x0b\x0c\0"


@dataclass(frozen=True)
class Piece:
    """Something that came out, of one channel. mode and owner: of a file."""

    channel: str
    place: str
    data: bytes = field(repr=False)
    mode: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Finding:
    """A secret that was found: which, where, and how it was written."""

    channel: str
    place: str
    marker: str
    how: str
    mode: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Allowed:
    """A place where secrets may be, and why. place: a pattern; markers: names or patterns of them."""

    channel: str
    place: str
    markers: tuple[str, ...]
    reason: str
    mode: str = ""
    owner: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding: another mode or owner of a file is another thing."""
        return (
            finding.channel == self.channel
            and fnmatchcase(finding.place, self.place)
            and any(fnmatchcase(finding.marker, pattern) for pattern in self.markers)
            and self.mode in ("", finding.mode)
            and self.owner in ("", finding.owner)
        )


class Searcher:
    """Searches pieces for markers, and counts what it has read.

    known: sha256 of packed contents from before the markers were made, which cannot hold any.
    """

    def __init__(self, markers: Sequence[Marker], known: Iterable[str] = ()) -> None:
        self._markers = markers
        self._forms = all_forms(markers)
        self._exact = {form: kind for form, kind in self._forms.items() if _dense(form) != form}
        self._own = {m.name: {f for x in encodings(m.own).values() for f in x} for m in markers}
        self._known = frozenset(known)
        self.bytes: Counter[str] = Counter()
        """Read, packed contents included, by channel."""
        self.skipped: Counter[str] = Counter()
        """Bytes of what was known before, by channel."""
        self.pieces: Counter[str] = Counter()

    def search(self, piece: Piece) -> list[Finding]:
        """Everything that is found in one piece; one finding for a marker and a way of writing."""
        self.pieces[piece.channel] += 1
        # What something is called may be a leak as well: a file's name, a container's.
        found = self._found(piece.place.encode(), "name") if piece.place else set()
        found |= self._deep(piece.channel, piece.data, "", DEPTH)
        return [
            Finding(piece.channel, piece.place, marker, how, piece.mode, piece.owner)
            for marker, how in sorted(found)
        ]

    def _deep(self, channel: str, data: bytes, path: str, depth: int) -> set[tuple[str, str]]:
        self.bytes[channel] += len(data)
        found = self._found(data, path)
        if depth:
            for kind, inner in unpacked(data):
                if len(inner) > 1_000_000 and hashlib.sha256(inner).hexdigest() in self._known:
                    self.skipped[channel] += len(inner)
                    continue
                found |= self._deep(channel, inner, f"{path}{kind} > ", depth - 1)
        return found

    def _found(self, data: bytes, path: str) -> set[tuple[str, str]]:
        # UTF-16 is the same text with zero bytes; base64, hex and lists are wrapped at will.
        return self._in(_dense(data), self._forms, path) | self._in(data, self._exact, path)

    def _in(self, data: bytes, forms: dict[bytes, str], path: str) -> set[tuple[str, str]]:
        found = set()
        for form, kind in forms.items():
            at = data.find(form)
            while at >= 0:
                near = data[max(0, at - _NEIGHBOURHOOD) : at + _NEIGHBOURHOOD]
                found |= {(name, path + kind) for name in self._named(near, form)}
                at = data.find(form, at + len(form))
        return found

    def _named(self, near: bytes, form: bytes) -> set[str]:
        """Which of them it is, by the part that no other has; else that it is a part of one."""
        names = {name for name, forms in self._own.items() if any(f in near for f in forms)}
        if names:
            return names
        of = [
            m.name
            for m in self._markers
            if any(form in e for n in m.needles for e in encodings(n).values())
        ]
        return {of[0]} if len(of) == 1 else {"a part of one"}


def _dense(data: bytes) -> bytes:
    """Without what wraps lines, and without the zero bytes of UTF-16."""
    for form in _BREAKS:
        data = data.replace(form, b"")
    return data.translate(None, _BLANK)


def judged(
    findings: Iterable[Finding], allowed: Sequence[Allowed]
) -> tuple[list[Finding], list[Allowed]]:
    """What no entry allows, and the entries that allow nothing: of both there must be none."""
    findings = list(findings)
    leaks = [f for f in findings if not any(entry.covers(f) for entry in allowed)]
    return leaks, [entry for entry in allowed if not any(entry.covers(f) for f in findings)]
