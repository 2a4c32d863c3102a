"""What is packed inside data: gzip, zlib, xz, bzip2, zstd, ZIP, wherever a stream of it begins."""

from __future__ import annotations

import base64
import binascii
import bz2
import lzma
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from typing import Protocol

LARGEST = 1 << 30
"""Bytes of one stream: more would be a bomb and not a leak."""
_BEGINS = re.compile(
    rb"\x1f\x8b\x08[\x00-\x1f]|\xfd7zXZ\x00|BZh[1-9]1AY&SY|\x28\xb5\x2f\xfd|PK\x03\x04"
    # A zlib header: method and window, and a level whose check bits fit them.
    rb"|x[\x01\x5e\x9c\xda]"
)
_IN_BASE64 = re.compile(rb"(?:H4sI|eJ[wxyz0-9]|/Td6WFoA|KLUv/|UEsDB)[A-Za-z0-9+/_-]{16,}=*")
"""Packed and then written as text, as Prefect's serializers do."""


class Decoder(Protocol):
    """A decompressor that can be fed in parts."""

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every stream in the data with its kind; what begins like one and is none is left out."""
    end = 0
    for match in _BEGINS.finditer(data):
        if match.start() < end:
            continue
        kind, inner, used = _stream(data, match)
        if inner:
            yield kind, inner
            end = match.start() + used
    dense = data.translate(None, b" \t\r\n") if data[:1] != b"\x1f" else b""
    for match in _IN_BASE64.finditer(dense):
        text = match[0].replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        try:
            decoded = base64.b64decode(text[: len(text) // 4 * 4])
        except binascii.Error:
            continue
        yield "base64", decoded


def _stream(data: bytes, match: re.Match[bytes]) -> tuple[str, bytes, int]:
    magic, at = match[0], match.start()
    if magic.startswith(b"\x1f\x8b"):
        return "gzip", *_fed(zlib.decompressobj(31), data, at)
    if magic.startswith(b"x"):
        return "zlib", *_fed(zlib.decompressobj(15), data, at)
    if magic.startswith(b"\xfd"):
        return "xz", *_fed(lzma.LZMADecompressor(), data, at)
    if magic.startswith(b"BZh"):
        return "bzip2", *_fed(bz2.BZ2Decompressor(), data, at)
    if magic.startswith(b"PK"):
        return "zip", *_zipped(data, at)
    return "zstd", *_zstd(data[at:])


def _fed(decoder: Decoder, data: bytes, at: int) -> tuple[bytes, int]:
    """What a stream holds, also one that is cut off; and its length."""
    view, out, size = memoryview(data), [], 0
    place, step = at, 256
    try:
        while place < len(data) and size < LARGEST and not getattr(decoder, "eof", False):
            part = decoder.decompress(bytes(view[place : place + step]))
            out.append(part)
            size += len(part)
            place += step
            step = 1 << 20
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        # A few bytes of luck are no stream; what is broken later may still hold something.
        if size < 64:
            return b"", 0
    rest = len(getattr(decoder, "unused_data", b""))
    return b"".join(out), max(min(place, len(data)) - at - rest, 1)


def _zipped(data: bytes, at: int) -> tuple[bytes, int]:
    """The file that a local header announces, where it is deflated; others are found as they are."""
    head = data[at : at + 30]
    if len(head) < 30 or head[8:10] != b"\x08\x00":
        return b"", 0
    begin = at + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    inner, used = _fed(zlib.decompressobj(-15), data, begin)
    return inner, begin - at + used


def _zstd(data: bytes) -> tuple[bytes, int]:
    """By the program: Python 3.11 has no zstd. Without it nobody could say that nothing is there."""
    assert shutil.which("zstd"), "a stream of zstd: apt-get install zstd"
    done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
    return done.stdout, len(data) if done.returncode == 0 else 1
