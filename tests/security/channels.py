"""Every way on which something comes out of a run, read to the last byte."""

from __future__ import annotations

import io
import json
import os
import pwd
import sqlite3
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from infra.engine.client import docker
from tests.security.searching import Piece

ON_SERVER = (
    "opt/systech", "home", "root", "tmp", "var/tmp", "dev/shm", "run", "var/log", "var/spool", "etc",
    "var/lib/docker/containers", "var/lib/docker/volumes", "var/lib/docker/buildkit",
    "var/lib/docker/network", "var/lib/docker/image",
)  # fmt: skip
"""Everything that a deploy or an engine writes there, but the layers of images: the registry has those."""


def folder(channel: str, root: Path, name: str = "") -> Iterator[Piece]:
    """Every file below a folder of this machine, with its mode and owner."""
    for place, folders, files in os.walk(root):
        for each in (*files, *(f for f in folders if (Path(place) / f).is_symlink())):
            path = Path(place) / each
            found = path.lstat()
            shown = f"{name}{path.relative_to(root)}"
            if stat.S_ISLNK(found.st_mode):
                yield Piece(channel, shown, str(path.readlink()).encode())
            elif stat.S_ISREG(found.st_mode):
                mode, owner = oct(found.st_mode & 0o7777), pwd.getpwuid(found.st_uid).pw_name
                yield Piece(channel, shown, path.read_bytes(), mode, owner)


def database(channel: str, file: Path) -> Iterator[Piece]:
    """Each row of each table of an SQLite database: in the file a long value lies in pieces."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as opened:
        opened.text_factory = bytes
        tables = [
            row[0].decode()
            for row in opened.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            for number, row in enumerate(opened.execute(f'SELECT * FROM "{table}"')):
                cells = [c if isinstance(c, bytes) else str(c).encode() for c in row]
                yield Piece(channel, f"{table} row {number}", b"\n\n".join(cells))


def archive(channel: str, data: bytes, name: str = "") -> Iterator[Piece]:
    """Every file of a tar archive, with its mode and owner."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        for entry in opened:
            content = entry.linkname.encode()
            if entry.isreg():
                file = opened.extractfile(entry)
                content = file.read() if file else b""
            mode, owner = oct(entry.mode), entry.uname or str(entry.uid)
            yield Piece(channel, f"{name}/{entry.name}", content, mode, owner)


def in_container(container: str, *paths: str) -> bytes:
    """A tar archive of what lies there; what goes away meanwhile is left out."""
    words = ["docker", "exec", container, "tar", "-C", "/", "--ignore-failed-read",
             "--warning=no-file-changed", "--warning=no-file-removed", "-cf", "-", *paths]  # fmt: skip
    done = subprocess.run(words, capture_output=True, check=False)
    # 1: a file changed while it was read.
    assert done.returncode in (0, 1), done.stderr.decode(errors="replace")[-500:]
    return done.stdout


def server_files(server: str, name: str = "") -> Iterator[Piece]:
    """Files of the server, and what its containers wrote into their own layers."""
    there = docker(
        "exec", server, "bash", "-c", f"cd / && ls -d {' '.join(ON_SERVER)} 2>/dev/null || true"
    )
    yield from archive("server files", in_container(server, *there.split()), name)
    shape = "{{.Name}} {{.GraphDriver.Data.UpperDir}}"
    shown = docker(
        "exec", server, "bash", "-c", f"docker ps -aq | xargs -r docker inspect -f '{shape}'"
    )
    for line in shown.splitlines():
        container, upper = line.split()
        packed = in_container(server, upper.lstrip("/"))
        yield from archive("container layers", packed, f"{name}{container}:")


def registry_files(container: str) -> Iterator[Piece]:
    """What is stored in the registry: every blob, and every link to one."""
    yield from archive("registry", in_container(container, "var/lib/registry"))


def container_logs(container: str) -> Iterator[Piece]:
    """What the processes of one container of this machine's engine printed."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, check=True)
    yield Piece("container logs", container, done.stdout + done.stderr)


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a JSON document with its path, keys of objects included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from flattened(inner, path)
    else:
        yield path, str(value)


def inspected(documents: Iterable[str]) -> Iterator[Piece]:
    """What `docker inspect` shows, each path of the document a piece of its own."""
    for text in documents:
        for document in json.loads(text):
            name = document.get("Name") or (document.get("RepoTags") or [document["Id"]])[0]
            for path, shown in flattened(document):
                yield Piece("docker inspect", f"{name} {path}", shown.encode())


def images(registry: str) -> Iterator[Piece]:
    """Names, labels, history of the images that this machine's engine made for a registry."""
    shown = docker("images", "-q", "--no-trunc", "--filter", f"reference={registry}/*/*")
    for image in sorted(set(shown.split())):
        yield from inspected([docker("image", "inspect", image)])
        history = docker("history", "--no-trunc", "--format", "{{json .}}", image)
        yield Piece("docker inspect", f"{image} history", history.encode())


def stand_in(url: str) -> Iterator[Piece]:
    """What the Telegram stand-in was asked to send."""
    for number, call in enumerate(httpx.get(f"{url}/_calls", trust_env=False).json()):
        yield Piece("notices", f"telegram {number}", json.dumps(call).encode())
