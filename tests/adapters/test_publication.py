"""Who may choose the source of a publication: a person at this machine, or the environment."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.errors import Refused, WrongUse
from infra.host import actor
from infra.orchestration.flow import publication
from infra.publish.clone import Access

URL = "https://git.example.org/o/r.git"


class Stop(Exception):
    """The clone begins: that is all that these tests want to see."""


@pytest.fixture
def asked(located, monkeypatch):
    """Publishes for an environment; returns what would have been cloned, and with what."""
    found: list[tuple[str, Access]] = []

    @contextmanager
    def local(source, ref, access):
        found.append((source, access))
        raise Stop
        yield

    class Assembly:
        def __init__(self, **changes):
            self.located = located(**changes)
            self.stack, self.secret_values = None, {}

        def registry(self):
            return nullcontext()

        def configuration(self):
            raise WrongUse("secret A is empty")

        def login(self):
            return None

        def source_token(self):
            return "t0ken"

    monkeypatch.setattr(publication, "outcome", lambda _: nullcontext())
    monkeypatch.setattr(publication, "as_task", lambda name, work, **_: work())
    monkeypatch.setattr(publication, "log", lambda _: None)
    monkeypatch.setattr(publication, "current_actor", lambda _: SimpleNamespace(who="", origin=""))
    monkeypatch.setattr(publication, "Publisher", lambda *_: SimpleNamespace(check=lambda: None))
    monkeypatch.setattr(
        publication, "Notifier", lambda _: SimpleNamespace(failure_of=lambda *_: nullcontext())
    )
    monkeypatch.setattr(publication.clone, "local", local)

    def publish(source, **changes):
        monkeypatch.setattr(publication, "assemble", lambda *_: Assembly(**changes))
        with pytest.raises(Stop):
            publication.publish_source("prod", source, "HEAD", allow_dirty=False, by="actions:x")
        return found[-1]

    return publish


@pytest.fixture
def at_a_terminal():
    token = actor._current.set(actor.from_terminal())
    yield
    actor._current.reset(token)


@pytest.mark.parametrize("source", ["https://evil.example/x.git", "/etc", "file:///etc"])
@pytest.mark.parametrize("sources", [[], [URL]])
def test_a_button_cannot_choose_code(asked, source, sources):
    with pytest.raises(Refused, match="environment prod does not name"):
        asked(source, sources=sources)


def test_a_button_may_take_what_is_named_and_the_token_goes_there(asked):
    source, access = asked(URL.removesuffix(".git"), sources=[URL], source_token="T")
    assert (source, access.token) == (URL, "t0ken")


def test_no_token_travels_to_a_source_over_ssh(asked):
    """It is for https alone; SSH has a key of its own."""
    ssh = "git@git.example.org:o/r.git"
    keys = {"source_key_file": "keys/git", "source_host_keys": [f"ssh-ed25519 {'A' * 68}"]}
    source, access = asked(ssh, sources=[URL, ssh], source_token="T", **keys)
    assert (source, access.token) == (ssh, "")
    assert access.key_file is not None and access.host_keys == tuple(keys["source_host_keys"])


def test_a_folder_of_who_sits_there_gets_no_token(asked, at_a_terminal, tmp_path: Path):
    source, access = asked(str(tmp_path), sources=[URL], source_token="T")
    assert (source, access) == (str(tmp_path), Access())


def test_an_address_of_who_sits_there_gets_no_token(asked, at_a_terminal):
    assert asked("https://other.example/x.git") == ("https://other.example/x.git", Access())


def test_who_cannot_sign_fetches_and_builds_nothing_where_a_signature_is_required(asked):
    signatures = {"keys": ["k.pub"], "required": True}
    with pytest.raises(Refused, match="environment prod requires a signature"):
        asked(URL, sources=[URL], signatures=signatures)


def test_a_release_builds_nothing_before_its_secrets_are_there(asked, at_a_terminal, monkeypatch):
    """Its deploy would refuse them, after minutes; a publication alone needs none of them."""
    asked("/srv/app")
    monkeypatch.setattr(publication, "_is_part_of_a_release", lambda: True)
    with pytest.raises(WrongUse, match="secret A is empty"):
        publication.publish_source("prod", "/srv/app", "HEAD", allow_dirty=False, by="")
