"""A registry's token is exchanged: the new one logs in before it is written, the former one ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import HomeguruError
from infra.engine.client import docker
from infra.environment.context import Assembly
from infra.environment.locate import Located
from infra.machine.waiting import wait_until
from infra.registry.api import Registry
from infra.rotation import given as given_values
from infra.rotation import new_value
from infra.rotation.new_value import exchanged
from tests.builders import compose_config, stack
from tests.security.conftest import LOGIN, archive, registry_container

__all__ = ["compose_config", "stack"]

pytestmark = [pytest.mark.e2e, pytest.mark.security]
NEW = "another-t0ken"


@dataclass
class Kept:
    """An environment whose login lies in a file."""

    assembly: Assembly
    file: Path


@pytest.fixture
def kept(registry_host: str, stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(given_values, "_given", {})
    # What containers need is another test's matter.
    monkeypatch.setattr(new_value, "configuration", lambda *_: None)
    data = {
        "v": 1, "project": "homeguru", "directory": "/srv/homeguru",
        "push_registry": registry_host, "pull_registry": registry_host,
        "repository": "acme/homeguru-{service}",
        "host": {"address": "h", "user": "deploy", "key_file": "keys/id", "host_keys": []},
        "login": {"user": "REGISTRY_USER", "token": "REGISTRY_TOKEN"},
        "secrets": {"file": "secrets.env", "names": ["REGISTRY_USER", "REGISTRY_TOKEN"]},
    }  # fmt: skip
    file = tmp_path / "secrets.env"
    file.touch(mode=0o600)
    values = {"REGISTRY_USER": LOGIN[0], "REGISTRY_TOKEN": LOGIN[1]}
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    place = Located(parse_environment("prod", data, "prod.toml"), tmp_path / "prod.toml")
    return Kept(Assembly(place, stack, values), file)


@pytest.fixture
def issued(registry_host: str) -> Iterator[None]:
    """The registry takes the new token alone; the former one again afterwards."""
    _only(NEW)
    wait_until(lambda: _logs_in(registry_host, NEW), 20, every=0.2)
    yield
    _only(LOGIN[1])
    wait_until(lambda: _logs_in(registry_host, LOGIN[1]), 20, every=0.2)


def _only(token: str) -> None:
    line = f"{LOGIN[0]}:{bcrypt.hashpw(token.encode(), bcrypt.gensalt(4)).decode()}\n"
    docker("cp", "-", f"{registry_container()}:/", data=archive("htpasswd", line.encode()))


def _logs_in(host: str, token: str) -> bool:
    try:
        with Registry(host, (LOGIN[0], token)) as registry:
            registry.tags("acme/none")
    except HomeguruError:
        return False
    return True


def test_a_token_that_the_registry_refuses_is_not_written(kept: Kept, registry_host: str) -> None:
    before = kept.file.read_text()
    given_values.give("REGISTRY_TOKEN", NEW)
    with pytest.raises(HomeguruError), exchanged(kept.assembly, "REGISTRY_TOKEN", [], print):
        pass
    assert kept.file.read_text() == before


def test_the_former_token_is_refused_and_the_new_one_works(
    kept: Kept, registry_host: str, issued: None
) -> None:
    given_values.give("REGISTRY_TOKEN", NEW)
    with exchanged(kept.assembly, "REGISTRY_TOKEN", [], print):
        pass
    assert f"REGISTRY_TOKEN={NEW}\n" in kept.file.read_text()
    assert (_logs_in(registry_host, NEW), _logs_in(registry_host, LOGIN[1])) == (True, False)
