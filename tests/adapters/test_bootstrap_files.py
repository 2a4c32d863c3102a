"""What a bootstrap reads and writes on this machine: keys, and the environment's file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.errors import Refused, Unreachable, WrongUse
from infra.bootstrap import preparation
from infra.bootstrap.entry import RootLogin, entered
from infra.bootstrap.environment_file import pin
from infra.bootstrap.host_key import check_expected, fingerprint, shown_key
from infra.bootstrap.keys import deploy_key, first_line, own_keys
from infra.ssh.key import ensure_key
from tests.adapters.loopback_sshd import Sshd, serving

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"
TOML = """\
# Mine.
v = 1
[host]
address = "h"  # where it stands
host_keys = []  # the console shows it
[urls]
api = "http://h"
"""


def test_a_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"{KEY}\n")
    done = subprocess.run(["ssh-keygen", "-lf", str(file)], capture_output=True, text=True)
    assert done.stdout.split()[1] == fingerprint(KEY)


def test_the_key_that_is_shown_is_the_servers(tmp_path: Path) -> None:
    with serving(Sshd(["bash"], tmp_path)) as sshd:
        assert shown_key("127.0.0.1", sshd.port) == sshd.host_key


@pytest.mark.parametrize(
    ("address", "said"), [("bad..host", "the address does not resolve"), ("127.0.0.1", "cannot connect: Connection refused")]
)  # fmt: skip
def test_an_address_at_which_nobody_shows_a_key_is_named(address: str, said: str) -> None:
    with pytest.raises(Unreachable) as told:
        shown_key(address, 1)
    assert (told.value.what, told.value.where) == (said, f"{address}:1")


@pytest.fixture
def as_root_or_admin(tmp_path: Path, located):
    """Enter a loopback server as one of two users; with its key pinned, and a key of one's own."""
    own = tmp_path / "own"
    ensure_key(own)

    def enter(sshd: Sshd, pinned: str = ""):
        host = {
            "address": "127.0.0.1", "port": sshd.port, "user": "deploy", "key_file": "k",
            "host_keys": [pinned or sshd.host_key],
        }  # fmt: skip
        return entered(located(host=host).environment, RootLogin(("root", "admin"), own))

    return enter


def test_a_server_that_is_not_the_pinned_one_is_no_users_fault(tmp_path, as_root_or_admin) -> None:
    with serving(Sshd(["bash"], tmp_path)) as sshd:
        with pytest.raises(Refused, match="the host key changed") as told, as_root_or_admin(sshd, KEY):  # fmt: skip
            pass
        assert "someone stands between" in told.value.todo
        assert sshd.connections == 1


def test_a_server_with_old_algorithms_alone_is_no_users_fault(tmp_path, as_root_or_admin) -> None:
    old = {"digests": ("hmac-sha1",)}
    with serving(Sshd(["bash"], tmp_path, offers=old)) as sshd:
        with pytest.raises(Refused, match="only old SSH algorithms") as told, as_root_or_admin(sshd):  # fmt: skip
            pass
        assert "KexAlgorithms" in told.value.todo


def test_a_refused_login_gives_way_to_the_next_user(tmp_path, as_root_or_admin) -> None:
    (tmp_path / "none").touch()
    with serving(Sshd(["bash"], tmp_path, keys=tmp_path / "none")) as sshd:
        with pytest.raises(Refused, match="cannot enter as root or admin") as told, as_root_or_admin(sshd):  # fmt: skip
            pass
        assert "root: the server refuses user root with this key; admin: " in told.value.what


def test_what_a_person_expects_is_compared() -> None:
    check_expected(KEY, fingerprint(KEY), "h:22")
    check_expected(KEY, f"{KEY} root@server", "h:22")
    other = KEY.replace("IJ1h", "IJ1i")
    for wrong in (fingerprint(other), other):
        with pytest.raises(Refused, match="another key"):
            check_expected(KEY, wrong, "h:22")
    for nothing in ("SHA256:short", "yes", KEY.split()[1]):
        with pytest.raises(WrongUse, match="neither a fingerprint nor a public key"):
            check_expected(KEY, nothing, "h:22")


def test_a_key_is_pinned_and_the_rest_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML)
    pin(file, KEY)
    assert file.read_text() == TOML.replace(
        "host_keys = []  # the console shows it",
        f'host_keys = ["{KEY}"]  # the console shows it',
    )


def test_the_deploy_key_is_made_once(tmp_path: Path) -> None:
    private = tmp_path / "keys" / "deploy"
    first = deploy_key(private, "h")
    assert first == deploy_key(private, "h")
    assert first.endswith(" homeguru-deploy")
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.with_name("deploy.pub").read_text().strip() == first


def test_a_deploy_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    private = tmp_path / "deploy"
    ensure_key(private)
    private.chmod(0o644)
    with pytest.raises(WrongUse, match="can be read by others"):
        deploy_key(private, "h")


def test_a_public_key_is_one_line_of_a_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert own_keys() == ()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text(f"{KEY} me\n")
    assert own_keys() == (f"{KEY} me",)
    for text in ("", "-----BEGIN OPENSSH PRIVATE KEY-----\n"):
        file = tmp_path / "x.pub"
        file.write_text(text)
        with pytest.raises(WrongUse, match="no public SSH key"):
            first_line(file)


class Reloading:
    """A server whose sshd listens nowhere for a while."""

    def __init__(self, refused: int) -> None:
        self.refused, self.tries = refused, 0

    def open(self) -> None:
        self.tries += 1
        if self.tries <= self.refused:
            raise Unreachable("cannot connect: Connection refused")


def test_an_sshd_that_reads_its_settings_again_is_waited_for(monkeypatch) -> None:
    server = Reloading(refused=3)
    preparation.connect(server)
    assert server.tries == 4
    monkeypatch.setattr(preparation, "RELOADS", 0.5)
    with pytest.raises(Unreachable, match="Connection refused"):
        preparation.connect(Reloading(refused=1000))
