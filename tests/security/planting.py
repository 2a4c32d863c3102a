"""The ways in which a planted secret is written: what the searcher is held to, made by other code than its own."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import shlex
import shutil
import subprocess
import tarfile
import textwrap
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable

Encoder = Callable[[str], bytes]


def _zip(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("result.json", text * 3)
    return buffer.getvalue()


def tarred(name: str, data: bytes, mode: str = "w") -> bytes:
    """One file as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as packed:  # type: ignore[call-overload]
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        packed.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _zstd(text: str) -> bytes:
    words = ["zstd", "-qc"]
    return subprocess.run(words, input=text.encode() * 3, capture_output=True, check=True).stdout


def _base64(text: str, before: str = "") -> bytes:
    return base64.b64encode(f"{before}{text} and more".encode())


def _each(text: str, form: str) -> bytes:
    return "".join(form.format(number) for number in text.encode()).encode()


def _wrapped(data: bytes, width: int, between: str = "\n") -> bytes:
    return between.join(textwrap.wrap(data.decode(), width)).encode()


TEXTS: dict[str, Encoder] = {
    "plain": str.encode,
    "base64": _base64,
    "base64 after one byte": lambda text: _base64(text, "u"),
    "base64 after two bytes": lambda text: _base64(text, "u:"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 twice": lambda text: base64.b64encode(b"x" + _base64(text)),
    "a Docker login": lambda text: json.dumps({"auths": {"r": {"auth": _base64(text, "me:").decode()}}}).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "hex in capitals": lambda text: text.encode().hex().upper().encode(),
    "percent-encoded": lambda text: urllib.parse.quote(text, safe="").encode(),
    "percent-encoded throughout": lambda text: _each(text, "%{:02X}"),
    "in a URL": lambda text: f"postgresql://u:{urllib.parse.quote_plus(text)}@h/d".encode(),
    "JSON": lambda text: json.dumps({"value": text}).encode(),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"value": text})).encode(),
    "JSON escaped throughout": lambda text: _each(text, "\\u{:04x}"),
    "repr": lambda text: repr({"value": text}).encode(),
    "bytes escaped throughout": lambda text: _each(text, "\\x{:02x}"),
    "HTML": lambda text: html.escape(text).encode(),
    "HTML throughout": lambda text: _each(text, "&#{};"),
    "a list of numbers": lambda text: json.dumps(list(text.encode())).encode(),
    "quoted for a shell": lambda text: shlex.quote(text).encode(),
    "its first half": lambda text: text[: len(text) // 2].encode(),
    "its second half": lambda text: text[len(text) // 2 :].encode(),
}  # fmt: skip
"""Ways that fit in one line of text, so that they can be put anywhere."""

BYTES: dict[str, Encoder] = {
    "base64 in lines": lambda text: base64.encodebytes(text.encode() * 3),
    "base64 in short lines of JSON": lambda text: json.dumps(_wrapped(_base64(text), 7).decode()).encode(),
    "hex dump": lambda text: text.encode().hex(" ", 2).encode(),
    "a letter a line": lambda text: "\n".join(text).encode(),
    "in a terminal's lines": lambda text: _wrapped(text.encode(), 9, "\r\n    "),
    "continued lines": lambda text: _wrapped(text.encode(), 8, "\\\n"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, the other order": lambda text: text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip twice": lambda text: gzip.compress(b"x" + gzip.compress(text.encode())),
    "gzip cut off": lambda text: gzip.compress((text * 20).encode(), 0)[:-30],
    "zlib": lambda text: zlib.compress(text.encode()),
    "zlib at its best": lambda text: zlib.compress(text.encode(), 9),
    "xz": lambda text: lzma.compress(text.encode()),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "zstd": _zstd,
    "ZIP": _zip,
    "an archive": lambda text: tarred("a", text.encode()),
    "a layer": lambda text: tarred("etc/app.env", text.encode(), "w:gz"),
    "a layer of a saved image": lambda text: tarred("blobs/1", tarred("a", text.encode(), "w:gz")),
    "gzip as base64": lambda text: base64.b64encode(gzip.compress(text.encode() * 2)),
    "a packed result in JSON": lambda text: json.dumps(
        {"data": base64.b64encode(zlib.compress(text.encode() * 2)).decode()}
    ).encode(),
}  # fmt: skip
"""Ways that need a file, or a stream."""

if not shutil.which("zstd"):
    del BYTES["zstd"]
ENCODERS = TEXTS | BYTES
