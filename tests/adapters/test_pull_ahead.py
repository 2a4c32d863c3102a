"""Images that a server pulls while others build: the deploy depends on none of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import StepFailed, Unreachable
from infra.host.pull_ahead import PullAhead

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"


class Server:
    """A host that pulls. fails: what a pull raises, once where it `mends`. here: what it has already."""

    incoming = ".plan-1"

    def __init__(self):
        where = {"address": "127.0.0.1", "user": "u", "key_file": "key", "host_keys": [KEY]}
        data = {
            "v": 1, "project": "p", "directory": "/srv/p", "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io", "repository": "a/{service}", "host": where,
        }  # fmt: skip
        self.environment = parse_environment("prod", data, "prod.toml")
        self.fails, self.mends, self.here = None, False, ()
        self.asked, self.files, self.closed = [], [], 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def open(self):
        pass

    def close(self):
        self.closed += 1

    @contextmanager
    def tunnel(self, registry, references):
        self.asked.append("".join(references))
        yield

    def read(self, script, files):
        self.goes_on.wait(10)
        self.files.append(files)
        if self.fails:
            error, self.fails = self.fails, None if self.mends else self.fails
            raise error
        return "".join(f"{name}\n" for name in self.asked[-1] if name not in self.here)


@pytest.fixture
def server():
    return Server()


def test_images_are_pulled_in_the_order_in_which_they_were_pushed(server):
    server.here = ("b",)
    ahead = PullAhead(server, None, None)
    for references in (["a", "b"], ["c"]):
        ahead.pull(references)
    ahead.finish()
    assert (server.asked, ahead.pulled) == (["ab", "c"], 2)
    assert server.closed


def test_the_token_travels_in_a_file(server):
    ahead = PullAhead(server, None, ("robot", "hunter2"))
    ahead.pull(["a"])
    ahead.finish()
    assert server.files == [{"registry.password": "hunter2"}]


@pytest.mark.parametrize("error", [Unreachable("no route"), StepFailed("no room")])
def test_what_fails_until_the_end_the_deploy_is_left_to_pull(server, error):
    server.fails = error
    ahead = PullAhead(server, None, None)
    ahead.pull(["a"])
    ahead.pull(["b"])
    ahead.finish()
    assert (server.asked, ahead.pulled, ahead.refusal) == (["a", "ab", "ab"], 0, error.what)


def test_what_failed_is_pulled_with_what_is_pushed_next(server):
    server.fails = Unreachable("the SSH connection broke")
    server.mends = True
    ahead = PullAhead(server, None, None)
    ahead.pull(["a"])
    ahead.pull(["b"])
    ahead.finish()
    assert (server.asked, ahead.pulled, ahead.refusal) == (["a", "ab"], 2, "")
    assert server.closed >= 2, "the broken connection as well as the last"


def test_a_build_that_fails_waits_for_no_pull(server):
    server.goes_on.clear()
    ahead = PullAhead(server, None, None)
    ahead.pull(["a"])
    ahead.pull(["b"])
    ahead.give_up()
    assert server.closed == 1, "which ends what is being pulled"
    server.goes_on.set()
    ahead.finish()
    assert server.asked in ([], ["a"])


def test_a_connection_that_comes_after_the_end_pulls_nothing(server):
    connected = threading.Event()
    server.open = lambda: connected.wait(10)
    ahead = PullAhead(server, None, None)
    ahead.pull(["a"])
    ahead.give_up()
    connected.set()
    ahead.finish()
    assert (server.files, ahead.pulled, ahead.refusal) == ([], 0, "")
