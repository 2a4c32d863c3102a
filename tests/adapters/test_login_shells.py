"""What is sent means the same to every login shell, and one that runs nothing is reported."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import Refused, StepFailed, Unreachable
from deployments.shell.quote import Script
from infra.machine.output import Output
from infra.ssh import connection as ssh
from infra.ssh.connection import Remote
from infra.ssh.session_lock import SessionLock
from tests.adapters.loopback_sshd import Sshd, serving

SHELLS = ("sh", "bash", "dash", "fish", "tcsh", "zsh")

HOSTILE = r"""
say() { printf '%s\n' "$1"; }
say 'it'"'"'s !x \'"'"' \\ \n `id` $(id) $HOME "${HOME}" {a,b} ~ * %s Привет'
say "two
lines" | tr '\n' '!'
echo to stderr >&2
sha256sum
exit 3
"""


@pytest.fixture(scope="session", autouse=True)
def shells() -> None:
    """Every shell of this file, installed where it is missing; one that cannot be had is a failure."""
    if missing := [shell for shell in SHELLS if not shutil.which(shell)]:
        apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
        root = [] if os.getuid() == 0 else ["sudo", "-n"]
        subprocess.run([*root, *apt, "update"], check=True)
        subprocess.run([*root, *apt, "install", "--no-install-recommends", *missing], check=True)


@pytest.fixture
def reached(tmp_path: Path) -> Iterator[Callable[..., tuple[Remote, Sshd]]]:
    """A function that opens a connection to a server with this login shell."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    home = tmp_path / "home"
    home.mkdir()
    ends: list[Callable[[], object]] = []

    def reach(*shell: str, **more) -> tuple[Remote, Sshd]:
        words = [shutil.which(shell[0]) or shell[0], *shell[1:]]
        serve = serving(Sshd(words, home, **more))
        sshd = serve.__enter__()
        host = {
            "address": "127.0.0.1", "port": sshd.port, "user": "systech", "key_file": str(key),
            "host_keys": [sshd.host_key],
        }  # fmt: skip
        data = {
            "v": 1, "project": "p", "directory": str(home), "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io", "repository": "a/{service}", "host": host,
        }  # fmt: skip
        remote = Remote(parse_environment("prod", data, "prod.toml"), key)
        ends.extend([lambda: serve.__exit__(None, None, None), remote.close])
        return remote.open(), sshd

    yield reach
    for end in reversed(ends):
        end()


def program(file: Path, text: str) -> str:
    """An executable script as a login shell."""
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_runs_the_same_script(reached, shell):
    remote, _ = reached(shell)
    logged: list[str] = []
    files = bytes(range(256)) * 3000
    output = remote.run(Script(HOSTILE), logged.append, files)
    said = "it's !x \\' \\\\ \\n `id` $(id) $HOME \"${HOME}\" {a,b} ~ * %s Привет"
    lines = [said, f"two!lines!{hashlib.sha256(files).hexdigest()}  -"]
    assert output == Output(3, "\n".join(lines) + "\n", "to stderr\n")
    assert sorted(logged) == sorted([*lines, "to stderr"])


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_holds_the_lock(reached, shell):
    remote, _ = reached(shell)
    lock = SessionLock(remote, {"token": "t1", "who": "it's \\ !me"}, "", print)
    lock.acquire(0)
    owner = remote.run(Script(f"cat {remote.environment.directory}/lock/owner")).stdout
    assert r'"who":"it' in owner and r"\\ !me" in owner
    lock.release()


def test_what_a_login_shell_parses_is_the_same_plain_line_for_every_script(reached):
    remote, sshd = reached("bash")
    for text in (HOSTILE, "true # it's"):
        remote.run(Script(text))
    plain = {re.sub(r"\d+", "N", command) for command in sshd.commands}
    assert len(plain) == 1
    # No two shells read these alike inside of quotes.
    assert not set("\\!\n`") & set(*plain)
    assert plain.pop().count("'") == 2


def test_a_script_that_arrives_half_does_not_run_at_all(reached, tmp_path):
    remote, sshd = reached("bash")
    text = f"touch {tmp_path}/ran\n# the end\n"
    remote.run(Script(text))
    (tmp_path / "ran").unlink()
    done = subprocess.run(
        ["sh", "-c", sshd.commands[0]], input=text.encode()[:-3], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert not (tmp_path / "ran").exists()


def test_a_script_sees_the_end_of_its_input(reached):
    """What reads it by mistake ends at once, instead of after its time-out."""
    remote, _ = reached("bash")
    begin = time.monotonic()
    assert remote.run(Script("cat; echo done")).stdout == "done\n"
    assert time.monotonic() - begin < 5


def test_what_a_start_file_prints_is_not_the_scripts_answer(reached, tmp_path):
    noisy = program(
        tmp_path / "noisy",
        '#!/bin/bash\necho Welcome; echo "fish: no terminal" >&2; printf "held\\n"; exec bash "$@"\n',
    )
    remote, _ = reached(noisy)
    logged: list[str] = []
    output = remote.run(Script("echo one; echo two >&2"), logged.append)
    assert output == Output(0, "one\n", "two\n")
    assert sorted(logged) == ["one", "two"]


def test_a_start_file_of_bash_does_not_eat_the_script(reached, tmp_path):
    """Bash that sshd starts reads ~/.bashrc; another login shell's user may well have one."""
    (tmp_path / "home" / ".bashrc").write_text("cat >/dev/null; exec zsh\n")
    remote, _ = reached("fish", variables={"SSH_CLIENT": "192.0.2.1 1 22"})
    assert remote.run(Script("echo one")).stdout == "one\n"


def test_a_user_without_a_login_is_reported_at_once(reached):
    remote, _ = reached("/usr/sbin/nologin")
    begin = time.monotonic()
    with pytest.raises(Refused) as caught:
        remote.run(Script("true"))
    assert time.monotonic() - begin < 5
    assert caught.value.what == (
        "user systech cannot run commands on this server: its login shell did not start bash. "
        "It printed: This account is currently not available."
    )
    assert caught.value.state == "untouched"
    assert "chsh" in caught.value.todo and "command=" in caught.value.todo


MENU = """#!/bin/bash
printf '1) status\\n2) reboot\\n\\033[5m'
while read -r line; do echo "$line" >> "$HOME/choices"; done
"""


@pytest.mark.parametrize("lock", [False, True])
def test_a_menu_is_reported_within_seconds_and_is_sent_no_word(
    reached, tmp_path, monkeypatch, lock
):
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT", 1)
    remote, _ = reached(program(tmp_path / "menu", MENU))
    begin = time.monotonic()
    holder = SessionLock(remote, {"token": "t1"}, "", print)
    with pytest.raises(Refused) as caught:
        holder.acquire(0) if lock else remote.run(Script("reboot\n"))
    assert time.monotonic() - begin < 5
    assert caught.value.what.endswith(
        "its login shell did not start bash within 1 s. It printed: 1) status 2) reboot [5m"
    )
    time.sleep(0.2)
    assert not (tmp_path / "home" / "choices").exists()


@pytest.mark.parametrize(
    ("offers", "missing"),
    [
        ({"ciphers": ("aes256-cbc", "3des-cbc")}, "no acceptable ciphers"),
        ({"digests": ("hmac-sha1", "hmac-md5")}, "no acceptable macs"),
    ],
)
def test_a_server_with_old_algorithms_alone_is_refused(reached, offers, missing):
    with pytest.raises(Refused) as caught:
        reached("bash", offers=offers)
    assert caught.value.what == f"the server offers only old SSH algorithms: {missing}"
    assert caught.value.state == "untouched"
    assert "sshd_config" in caught.value.todo


def test_a_server_that_offers_old_algorithms_too_is_reached_by_the_others(reached):
    offers = {"ciphers": ("aes128-cbc", "aes256-ctr"), "digests": ("hmac-md5", "hmac-sha2-256")}
    remote, sshd = reached("bash", offers=offers)
    assert remote.run(Script("echo reached")).stdout.strip() == "reached"
    (transport,) = sshd.transports
    assert (transport.remote_cipher, transport.remote_mac) == ("aes256-ctr", "hmac-sha2-256")


def test_a_server_that_allows_one_session_for_each_connection(reached):
    """`MaxSessions 1`: the lock has the one of the first connection, scripts that of a second."""
    remote, sshd = reached("bash", max_sessions=1)
    lock = SessionLock(remote, {"token": "t1"}, "", print)
    lock.acquire(0)
    for _ in range(3):
        assert remote.run(Script("echo one")).stdout == "one\n"
    lock.check()
    lock.release()
    assert sshd.connections == 2


def test_one_connection_is_enough_where_sessions_are_not_limited(reached):
    remote, sshd = reached("bash")
    lock = SessionLock(remote, {"token": "t1"}, "", print)
    lock.acquire(0)
    remote.run(Script("true"))
    lock.release()
    assert sshd.connections == 1


def test_a_server_that_allows_no_session_is_reported(reached):
    remote, _ = reached("bash", max_sessions=0)
    with pytest.raises(Refused, match="sshd opens no session for user systech") as caught:
        remote.run(Script("true"))
    assert "MaxSessions" in caught.value.todo


def test_a_connection_that_breaks_in_the_middle(reached):
    remote, sshd = reached("bash")

    def cut(_line: str) -> None:
        sshd.transports[0].close()

    with pytest.raises(Unreachable, match="the SSH connection broke"):
        remote.run(Script("echo begun; sleep 20"), cut)


def test_a_command_that_does_not_end_is_given_up(reached, monkeypatch):
    remote, _ = reached("bash")
    monkeypatch.setattr(ssh, "GIVE_UP", -14)
    with pytest.raises(StepFailed, match="the command did not end in time"):
        remote.run(Script("sleep 30", timeout=0))


def test_the_last_line_is_logged_though_it_has_no_end(reached):
    remote, _ = reached("bash")
    logged: list[str] = []
    remote.run(Script("printf 'one\\ntwo'"), logged.append)
    assert logged == ["one", "two"]


def test_a_piece_of_one_stream_does_not_end_in_the_other_ones_line(reached):
    """What a script tells the deployer is told from what people read by how its line begins."""
    remote, _ = reached("bash")
    logged: list[str] = []
    parts = ("printf '@nonce rev'", "echo 'warning: slow' >&2", "echo 'ision =MQ=='")
    remote.run(Script("; sleep 0.3; ".join(parts)), logged.append)
    assert logged == ["warning: slow", "@nonce revision =MQ=="]


def test_a_network_that_is_away_for_a_moment_ends_nothing_that_has_not_begun(reached, monkeypatch):
    remote, sshd = reached("bash")
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT", 1)
    sshd.silent = 1.5
    assert remote.run(Script("echo here")).stdout == "here\n"
