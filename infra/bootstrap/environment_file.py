"""The environment's file, in which a server's key is pinned; what a person wrote stays as it is."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.items import Table

from infra.machine.files import read_text, replace_file


def pin(file: Path, key: str) -> None:
    """Write a server's key into `[host] host_keys`."""
    document = tomlkit.parse(read_text(file))
    host = document["host"]
    assert isinstance(host, Table | dict)
    keys = tomlkit.array()
    keys.append(key)
    host["host_keys"] = keys
    replace_file(file, tomlkit.dumps(document).encode(), file.stat().st_mode & 0o777)
