"""The environment's file, in which a server's key is pinned; what a person wrote stays as it is."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.items import Table

from deployments.errors import WrongUse
from infra.machine.files import replace_file
from infra.machine.paths import CHECKOUT, packaged_environments


def pin(file: Path, key: str) -> None:
    """Write a server's key into `[host] host_keys`; raises WrongUse where the file is not a person's."""
    _check_own(file)
    document = tomlkit.parse(file.read_text())
    host = document["host"]
    assert isinstance(host, Table | dict)
    keys = tomlkit.array()
    keys.append(key)
    host["host_keys"] = keys
    replace_file(file, tomlkit.dumps(document).encode(), file.stat().st_mode & 0o777)


def _check_own(file: Path) -> None:
    """What is installed is lost with the next version."""
    if file.parent == packaged_environments() and not (CHECKOUT / "pyproject.toml").is_file():
        raise WrongUse(
            "the environment is the example that is installed with homeguru", where=str(file),
            state="untouched",
            todo=f"copy it into a folder of your own, and name that in HOMEGURU_ENVIRONMENTS: cp {file} .",
        )  # fmt: skip
