"""What is prepared while Prefect's server starts: found by the flow, and never in its way."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import Unreachable
from infra.machine.imports import importing
from infra.ssh import ahead


class Connection:
    """Stands for an SSH connection; `fails` is what opening it raises."""

    fails: Exception | None = None

    def __init__(self, environment, key_file):
        self.opened = False

    def close(self):
        self.opened = False

    def open(self):
        if self.fails:
            raise self.fails
        self.opened = True
        return self


@pytest.fixture
def connection(monkeypatch):
    monkeypatch.setattr(ahead, "Remote", Connection)
    monkeypatch.setattr(Connection, "fails", None)
    monkeypatch.setattr(ahead, "_opened", [])
    monkeypatch.setattr(ahead, "_taken", [])
    return Connection


FILE = Path("key")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"


@pytest.fixture
def environment():
    host = {"address": "127.0.0.1", "user": "systech", "key_file": "key", "host_keys": [KEY]}
    data = {
        "v": 1, "project": "p", "directory": "/srv/p", "push_registry": "ghcr.io",
        "pull_registry": "ghcr.io", "repository": "a/{service}", "host": host,
    }  # fmt: skip
    return parse_environment("prod", data, "prod.toml")


def test_a_connection_that_was_opened_ahead_is_taken_once(connection, environment):
    ahead.connect_ahead(environment, FILE)
    assert ahead.remote(environment, FILE).opened
    assert not ahead.remote(environment, FILE).opened


def test_another_key_or_another_pinned_host_key_gets_its_own(connection, environment):
    ahead.connect_ahead(environment, FILE)
    assert not ahead.remote(environment, Path("other")).opened
    other = environment.model_copy(
        update={"host": environment.host.model_copy(update={"host_keys": (KEY[:-1] + "M",)})}
    )
    assert not ahead.remote(other, FILE).opened


def test_a_server_out_of_reach_is_the_flows_to_tell(connection, environment, monkeypatch):
    monkeypatch.setattr(connection, "fails", Unreachable("no route"))
    with pytest.raises(Unreachable):
        ahead.connect_ahead(environment, FILE)
    assert not ahead.remote(environment, FILE).opened


def test_one_that_comes_too_late_is_closed_again(connection, environment, monkeypatch):
    made = []
    monkeypatch.setattr(ahead, "Remote", lambda *_: made.append(Connection(*_)) or made[-1])
    own = ahead.remote(environment, FILE)
    ahead.connect_ahead(environment, FILE)
    assert [c.opened for c in made] == [False, False]
    assert made[0] is own


def test_garbage_is_looked_for_again_after_an_import():
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
