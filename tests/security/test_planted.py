"""What looks for secrets finds one that is planted: in each kind of place, in each way of writing it.

Also here: what it must not find, and what the list of allowed places lets through.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

from deployments.compose.env_file import parse_secrets
from infra.ssh.key import ensure_key
from tests.security import channels
from tests.security.markers import AWKWARD, Maker, Marker, word
from tests.security.planting import ENCODERS, TEXTS, tarred
from tests.security.searching import Allowed, Finding, Piece, Searcher, judged

AROUND = b"some line before\n", b"\nand one after"


def marker(maker: Maker | None = None) -> Marker:
    return (maker or Maker()).secret("THE_SECRET", "pre-{}-post", "-._~")


def found(made: Marker, pieces: Iterator[Piece] | list[Piece]) -> set[str]:
    """Names of what is found in any of the pieces."""
    searcher = Searcher([made])
    return {finding.marker for piece in pieces for finding in searcher.search(piece)}


# -- places: each plants data and reads it with the code that reads the real channel


def in_a_file(data: bytes, folder: Path) -> Iterator[Piece]:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_bytes(data)
    return channels.folder("deployer files", folder)


def in_a_cell(data: bytes, folder: Path) -> Iterator[Piece]:
    with sqlite3.connect(folder / "history.db") as opened:
        opened.execute("CREATE TABLE log (id INTEGER, message)")
        opened.execute("INSERT INTO log VALUES (7, ?)", [os.urandom(20_000).hex().encode() + data])
    return channels.database("prefect database", folder / "history.db")


def in_an_archive(data: bytes, folder: Path) -> Iterator[Piece]:
    return channels.archive("server files", tarred("opt/app/file", data))


def in_a_blob(data: bytes, folder: Path) -> Iterator[Piece]:
    layer = gzip.compress(tarred("app/settings", data))
    return channels.archive("registry", tarred("docker/registry/v2/blobs/data", layer))


PLACES: dict[str, Callable[[bytes, Path], Iterator[Piece]]] = {
    "a file": in_a_file, "a cell": in_a_cell, "an archive": in_an_archive, "a blob": in_a_blob,
}  # fmt: skip


def in_a_name(text: str, folder: Path) -> Iterator[Piece]:
    return channels.archive("server files", tarred(text.replace("/", "_"), b""))


def in_a_link(text: str, folder: Path) -> Iterator[Piece]:
    (folder / "link").symlink_to(text)
    return channels.folder("deployer files", folder)


def in_a_label(text: str, folder: Path) -> Iterator[Piece]:
    document = {"Id": "1", "Name": "/web", "Config": {"Labels": {text: "on"}, "Cmd": ["sh"]}}
    return channels.inspected([json.dumps([document])])


def in_words(text: str, folder: Path) -> Iterator[Piece]:
    return iter([Piece("process words", "1", f"psql\0--password={text}\0".encode())])


LINES: dict[str, Callable[[str, Path], Iterator[Piece]]] = {
    "a name": in_a_name, "a link": in_a_link, "a label": in_a_label, "words": in_words,
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_found(place: str, encoding: str, tmp_path: Path) -> None:
    made = marker()
    data = AROUND[0] + ENCODERS[encoding](made.value) + AROUND[1]
    assert found(made, PLACES[place](data, tmp_path)) & {made.name, "a part of one"}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("place", LINES)
def test_it_is_found_where_only_a_line_is(place: str, encoding: str, tmp_path: Path) -> None:
    made = marker()
    text = TEXTS[encoding](made.value).decode()
    assert found(made, LINES[place](text, tmp_path)) & {made.name, "a part of one"}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_one_that_every_program_escapes_is_found(encoding: str) -> None:
    made = Maker().secret("THE_SECRET", "ä{}ö", AWKWARD + "\n'\"")
    assert found(made, [Piece("output", "1", ENCODERS[encoding](made.value))])


# -- secrets with a form of their own


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Marker:
    file = tmp_path_factory.mktemp("key") / "id"
    ensure_key(file)
    return Maker().private_key("the key", file)


@pytest.mark.parametrize("encoding", sorted(set(ENCODERS) - {"its first half"}))
def test_a_private_key_is_found_as_its_file(key: Marker, encoding: str) -> None:
    assert found(key, [Piece("output", "1", ENCODERS[encoding](key.value))])


def test_a_private_key_is_found_by_what_it_is(key: Marker) -> None:
    seed = key.own
    for data in (seed, seed.hex().encode(), repr(seed).encode(), b"\x04\x20" + seed[:20]):
        assert found(key, [Piece("output", "1", b"??" + data)]) == {"the key"}


def test_a_public_key_is_none(key: Marker, tmp_path: Path) -> None:
    (tmp_path / "id").write_text(key.value)
    (tmp_path / "id").chmod(0o600)
    words = ["ssh-keygen", "-y", "-f", str(tmp_path / "id")]
    public = subprocess.run(words, check=True, capture_output=True).stdout
    assert found(key, [Piece("output", "1", public)]) == set()


def test_an_age_identity_is_found() -> None:
    made = Maker().known("the identity", str(pyrage.x25519.Identity.generate()))
    for data in (made.value.encode(), b"AGE-" + made.own[:25], gzip.compress(made.value.encode())):
        assert found(made, [Piece("output", "1", data)]) == {"the identity"}


def test_two_that_stand_side_by_side_are_told_apart() -> None:
    maker = Maker()
    first, second = maker.secret("A", "x{}"), maker.secret("B")
    searcher = Searcher(maker.made)
    found = searcher.search(
        Piece("output", "1", f"{first.value} {'-' * 2000} {second.value}".encode())
    )
    assert {finding.marker for finding in found} == {"A", "B"}


def test_what_is_no_secret_is_not_found() -> None:
    maker = Maker()
    maker.secret("A", between=AWKWARD)
    innocent = [os.urandom(300_000), Path(__file__).read_bytes(), gzip.compress(b"PK\x03\x04x\x9c" * 99),
                Maker().secret("B").value.encode(), b"BZh91AY&SY x\x9c \x1f\x8b\x08\x00"]  # fmt: skip
    searcher = Searcher(maker.made)
    assert [f for data in innocent for f in searcher.search(Piece("output", "1", data))] == []
    assert searcher.bytes["output"] > 300_000


def test_only_what_was_there_before_is_left_out() -> None:
    """A marker that is random and younger than a layer cannot be in that layer: so it is not unpacked."""
    made = marker()
    layer = tarred("big", os.urandom(1_100_000)) + made.value.encode()
    piece = Piece("registry", "blob", gzip.compress(layer, 1))
    assert {f.marker for f in Searcher([made]).search(piece)} == {made.name}
    known = Searcher([made], [hashlib.sha256(layer).hexdigest()])
    assert known.search(piece) == []
    assert known.skipped["registry"] == len(layer)


# -- the secrets are such as their readers take


def test_each_is_written_and_read_back_as_it_is() -> None:
    maker = Maker()
    made = [maker.secret("A", between=AWKWARD), maker.secret("B", "ä{}"), maker.lines("C")]
    text = "".join(f'{m.name}="{m.value}"\n' for m in made)
    assert parse_secrets(text, "file") == {m.name: m.value for m in made}


def test_a_token_fits_telegram() -> None:
    assert re.fullmatch(r"\d+:[A-Za-z0-9_-]{35}", Maker().secret("T", "1234567890:{}").value)


def test_no_two_runs_have_the_same_secrets() -> None:
    assert len({word(10) for _ in range(1000)}) == 1000
    assert Maker().secret("A").needles != Maker().secret("A").needles


# -- what is allowed


FILE = Finding("server files", "/opt/app/secrets.env", "A", "plain", "0o600", "deploy")


@pytest.mark.parametrize(
    ("allowed", "lets_through"),
    [
        (
            Allowed("server files", "/opt/*/secrets.env", ("A",), "its file", "0o600", "deploy"),
            True,
        ),
        (Allowed("server files", "/opt/*/secrets.env", ("*",), "its file"), True),
        (Allowed("server files", "/opt/*/secrets.env", ("A",), "its file", "0o644"), False),
        (Allowed("server files", "/opt/*/secrets.env", ("A",), "its file", "", "root"), False),
        (Allowed("server files", "/opt/*/secrets.env", ("B",), "its file"), False),
        (Allowed("server files", "/opt/*/.env", ("A",), "its file"), False),
        (Allowed("output", "*", ("*",), "all of it"), False),
    ],
)
def test_an_entry_allows_what_it_says_and_is_itself_needed(
    allowed: Allowed, lets_through: bool
) -> None:
    leaks, unused = judged([FILE], [allowed])
    assert (leaks, unused) == (([], []) if lets_through else ([FILE], [allowed]))
