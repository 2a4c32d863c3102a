"""cosign itself, key pairs, and a registry on a real engine that asks for a login."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from deployments.environment.schema import parse_environment
from infra.engine.client import DockerFailed, docker
from infra.engine.daemon import Engine
from infra.engine.debian import apt_install, debian_version, of_trixie
from infra.engine.images import REGISTRY
from infra.environment.locate import Located
from infra.machine.waiting import wait_until
from infra.registry.api import Registry
from tests.e2e.conftest import BESIDE, engine, say

__all__ = ["engine"]

LOGIN = ("publisher", "t0ken-of-the-registry")
PASSWORD = "pass phrase"


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Names of releases are kept in the state folder: a test's, not a person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEGURU_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def cosign() -> None:
    """cosign, installed where this Debian has it; a missing one is a failure, never a skip."""
    if not shutil.which("cosign"):
        version = debian_version()
        assert version, "cosign is not installed, and only Debian 12 and 13 get it from these tests"
        apt_install(of_trixie(version, ["cosign"]), "installing cosign", say)
    assert shutil.which("cosign")


@dataclass(frozen=True)
class Pair:
    """A key pair: the public key's file, and the private key's text."""

    public: Path
    private: str


@pytest.fixture(scope="session")
def pairs(cosign: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Two pairs that an environment accepts in turn, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for name in ("production", "next", "stranger"):
        subprocess.run(
            ["cosign", "generate-key-pair", "--output-key-prefix", name], cwd=folder, check=True,
            capture_output=True, env={**os.environ, "COSIGN_PASSWORD": PASSWORD},
        )  # fmt: skip
        public = (folder / f"{name}.pub").rename(folder / f"{name}.cosign.pub")
        found[name] = Pair(public, (folder / f"{name}.key").read_text())
    return found


def registry_container() -> str:
    """Its name."""
    return f"hgtest-signatures{BESIDE}"


@pytest.fixture(scope="session")
def registry_host(engine: Engine) -> Iterator[str]:
    """A registry that nobody reads without a login; its address."""
    name = registry_container()
    with suppress(DockerFailed):
        docker("rm", "-f", "-v", name)
    settings = {
        "REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "test",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd", "REGISTRY_STORAGE_DELETE_ENABLED": "true",
    }  # fmt: skip
    words = [w for n, v in settings.items() for w in ("-e", f"{n}={v}")]
    docker("create", "--name", name, "-p", "127.0.0.1::5000", *words, REGISTRY)
    try:
        line = f"{LOGIN[0]}:{bcrypt.hashpw(LOGIN[1].encode(), bcrypt.gensalt(4)).decode()}\n"
        docker("cp", "-", f"{name}:/", data=archive("htpasswd", line.encode()))
        docker("start", name)
        host = docker("port", name, "5000/tcp").split()[0]
        wait_until(lambda: _answers(host), 20, every=0.1)
        yield host
    finally:
        docker("rm", "-f", "-v", name)


def archive(name: str, data: bytes) -> bytes:
    """A file as `docker cp` reads it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        # A registry reads a file again that is newer than before.
        entry.size, entry.mode, entry.mtime = len(data), 0o644, time.time()
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _answers(host: str) -> bool:
    try:
        with Registry(host, LOGIN) as registry:
            registry.ping()
    except Exception:
        return False
    return True


@pytest.fixture
def registry(registry_host: str) -> Iterator[Registry]:
    with Registry(registry_host, LOGIN) as found:
        yield found


@pytest.fixture
def located(
    registry_host: str, tmp_path: Path, pairs: dict[str, Pair], request: pytest.FixtureRequest
) -> Callable[..., Located]:
    """An environment that requires a signature, with a repository of the test's own."""
    own = "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")
    for pair in pairs.values():
        shutil.copy(pair.public, tmp_path)

    def make(*keys: str, **changes: Any) -> Located:
        names = [pairs[key].public.name for key in keys or ("production",)]
        data = {
            "v": 1, "project": "homeguru", "directory": "/srv/homeguru",
            "push_registry": registry_host, "pull_registry": registry_host,
            "repository": f"acme/{own}-{{service}}",
            "host": {"address": "h", "user": "deploy", "key_file": "keys/id", "host_keys": []},
            "signatures": {"keys": names, "required": True, **changes},
        }  # fmt: skip
        return Located(parse_environment("prod", data, "prod.toml"), tmp_path / "prod.toml")

    return make
