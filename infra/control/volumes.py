"""The files that the control plane's containers read, written into its volumes.

Copied, not mounted: it works over SSH too, and each file gets the owner and mode that its
reader needs. A change here reaches the containers by the next `up`.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from fnmatch import fnmatch
from pathlib import Path

from deployments.errors import WrongUse
from infra.control.accounts import Accounts
from infra.control.docker import DATA, Docker
from infra.control.settings import Settings, State
from infra.environment import locate
from infra.environment.configs import config_files
from infra.environment.locate import Located

LABEL = "org.homeguru.control"
#: The user of our image and of the gateway.
USER = 10001
#: Two users read it, of numbers that only their images know; no other container mounts it.
SHARED = ("database-secret",)
#: Written by the gateway itself, which is not root.
OWNED = ("gateway-data", "gateway-log")
ENVIRONMENT_FILES = ("*.toml", "*.yml", "*.yaml", "haproxy.cfg", "docker-bake.hcl", "Dockerfile.*")
"""What an environment is made of, and its builds; not its secrets, which are blocks there."""

File = tuple[bytes, int, int]


def wanted(state: State, settings: Settings, accounts: Accounts) -> dict[str, dict[str, File]]:
    """Volume to file to (content, mode, owner)."""
    gateway = {f.name: f.read_bytes() for f in sorted((DATA / "gateway").iterdir())}
    gateway["accounts"] = accounts.caddy().encode()
    gateway["logins"] = accounts.caddy_logins().encode()
    contents = {
        "database-secret": {"password": state.secret("postgres-password").encode()},
        "server-secret": {"encryption-key": state.secret("encryption-key").encode()},
        "gateway-config": gateway,
        "environments": _environments(settings.environments),
        "keys": _below(settings.keys),
    }
    return {
        volume: {n: (data, 0o444 if volume in SHARED else 0o600, USER) for n, data in files.items()}
        for volume, files in contents.items()
    }


def push(docker: Docker, image: str, files: dict[str, dict[str, File]]) -> list[str]:
    """Make the volumes hold exactly these files; returns those that changed."""
    project = docker.settings.project
    mounts: list[str] = []
    for volume in (*files, *OWNED):
        name = f"{project}-{volume}"
        if not docker.exists("volume", name):
            docker.text("volume", "create", "--label", f"{LABEL}={project}", name)
        mounts += ["-v", f"{name}:/v/{volume}"]
    sent: dict[str, object] = dict.fromkeys(OWNED, USER)
    sent |= {
        volume: {n: (b64encode(data).decode(), mode, owner) for n, (data, mode, owner) in f.items()}
        for volume, f in files.items()
    }
    words = [
        "run",
        "--rm",
        "-i",
        "--user",
        "0",
        "--network",
        "none",
        "--label",
        f"{LABEL}={project}",
    ]
    changed = docker.text(
        *words, *mounts, image, "python", "-m", "infra.control.receive", "/v",
        data=json.dumps(sent).encode(),
    )  # fmt: skip
    return changed.split()


def _environments(folder: str) -> dict[str, bytes]:
    """What a worker needs of the environments, with the files that their Compose files name as configs."""
    files = _below(folder, ENVIRONMENT_FILES)
    base = Path(folder).resolve()
    for located in locate.all_of(base) if folder else []:
        for file in (*_of_compose(located, base), *_public_keys(located, base)):
            files[str(file.relative_to(base))] = file.read_bytes()
    return files


def _of_compose(located: Located, base: Path) -> list[Path]:
    """Files that an environment's own Compose file names as configs."""
    compose = located.compose_file
    if not located.environment.compose or not compose.is_file():
        return []
    if not compose.is_relative_to(base):
        raise _outside(located, f"its Compose file {compose}", base, "compose")
    return [file for file in config_files(compose) if file.is_relative_to(base)]


def _public_keys(located: Located, base: Path) -> list[Path]:
    """Files that [signatures] names; one that is not there is told of where it is needed."""
    # What is in ~/.ssh a worker has from the folder of keys.
    named = [n for n in located.environment.signatures.keys if not n.startswith("~/.ssh/")]
    files = []
    for name in named:
        # Not resolved: a worker looks for the name that the environment has.
        file = Path(os.path.normpath(located.file.parent / Path(name).expanduser()))
        if not file.is_relative_to(base):
            raise _outside(located, f"its public key {file}", base, "keys` of `[signatures]")
        files.append(file)
    return [file for file in files if file.is_file()]


def _outside(located: Located, what: str, base: Path, key: str) -> WrongUse:
    return WrongUse(
        f"environment {located.environment.name}: {what} lies outside of that folder, and a worker would "
        "not have it",
        where=str(base), state="untouched", todo=f"move it into the folder, and correct `{key}`",
    )  # fmt: skip


def _below(folder: str, kinds: tuple[str, ...] = ("*",)) -> dict[str, bytes]:
    if not folder:
        return {}
    base = Path(folder)
    return {
        str(file.relative_to(base)): file.read_bytes()
        for file in sorted(base.rglob("*"))
        if file.is_file() and any(fnmatch(file.name, kind) for kind in kinds)
    }
