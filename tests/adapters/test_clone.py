"""A Git URL as a source."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import paramiko
import pytest

from deployments.environment.sources import is_url
from deployments.errors import WrongUse
from infra.machine.processes import Ended, run
from infra.publish import clone
from infra.publish.clone import Access
from infra.publish.source import opened, staged
from tests.adapters.loopback_sshd import Sshd, serving


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    folder = tmp_path / "remote"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "src" / "a.py").write_text("first\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    git(folder, "switch", "-q", "-c", "feature/x")
    (folder / "src" / "a.py").write_text("second\n")
    git(folder, "commit", "-q", "-am", "second")
    git(folder, "switch", "-q", "main")
    return folder


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://github.com/o/r.git", True),
        ("git@github.com:o/r.git", True),
        ("ssh://git@host/o/r", True),
        ("file:///srv/r", True),
        ("/srv/homeguru", False),
        (".", False),
        ("../o:r/x", False),
    ],
)
def test_what_is_a_url(source: str, url: bool) -> None:
    assert is_url(source) is url


@pytest.mark.parametrize(
    ("ref", "content"),
    [("HEAD", "first"), ("main", "first"), ("v1", "first"), ("feature/x", "second")],
)
def test_a_branch_a_tag_or_the_head_is_staged(remote: Path, ref: str, content: str) -> None:
    url = f"file://{remote}"
    with clone.local(url, ref) as (folder, commit):
        tree = opened(folder, commit, allow_dirty=False, say=print)
        found = tree.look(["src/a.py"])
        with staged(tree, found) as root:
            assert (root / "src" / "a.py").read_text() == f"{content}\n"
        assert found.label == f"sha-{found.commit[:12]}"
    assert not folder.exists()


def test_a_commit_is_taken_by_its_name(remote: Path) -> None:
    sha = git(remote, "rev-parse", "feature/x")
    with clone.local(f"file://{remote}", sha[:12]) as (_, commit):
        assert commit == sha


def test_a_folder_stays_where_it_is(tmp_path: Path) -> None:
    with clone.local(str(tmp_path), "HEAD") as found:
        assert found == (tmp_path, "HEAD")
    assert tmp_path.is_dir()


def test_an_unknown_ref_is_told(remote: Path) -> None:
    with (
        pytest.raises(WrongUse, match="no branch, tag or commit 'nope'"),
        clone.local(f"file://{remote}", "nope"),
    ):
        pass


def test_an_address_that_is_none_is_told_without_the_token(tmp_path: Path) -> None:
    with (
        pytest.raises(WrongUse, match="git clone: ") as error,
        clone.local(f"file://{tmp_path}/none", "HEAD", Access("t0ken")),
    ):
        pass
    assert "t0ken" not in str(error.value)
    assert "source_token" in error.value.todo


@pytest.mark.parametrize("url", ["https://user:pw@host/o/r", "https://token@host/o/r"])
def test_credentials_in_the_address_are_refused(url: str) -> None:
    with pytest.raises(WrongUse, match="holds credentials"), clone.local(url, "HEAD"):
        pass


@pytest.fixture
def asked(monkeypatch) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """What is run, with its variables; no clone takes place."""
    seen: list[tuple[tuple[str, ...], dict[str, str]]] = []

    def spy(*argv: str, **more) -> Ended:
        seen.append((argv, dict(more.get("env") or {})))
        return Ended(1, "", "no")

    monkeypatch.setattr(clone, "run", spy)
    return seen


def cloned(url: str, access: Access | None = None) -> None:
    with pytest.raises(WrongUse), clone.local(url, "HEAD", access):
        pass


def settings(env: dict[str, str]) -> dict[str, str]:
    count = int(env["GIT_CONFIG_COUNT"])
    return {env[f"GIT_CONFIG_KEY_{n}"]: env[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}


def test_the_token_is_a_header_for_its_address_alone(asked) -> None:
    cloned("https://git.example.org/o/r.git", Access("t0ken"))
    [(argv, env)] = asked
    assert "t0ken" not in " ".join(argv)
    assert argv[-3] == "--"
    found = settings(env)
    assert found["http.https://git.example.org/o/r.git.extraHeader"].startswith("Authorization: ")
    assert "http.extraHeader" not in found
    assert (found["http.followRedirects"], found["credential.helper"]) == ("false", "")


@pytest.mark.parametrize("url", ["http://h/o/r", "git://h/o/r", "file:///o/r"])
def test_no_token_leaves_in_clear(asked, url: str) -> None:
    cloned(url, Access("t0ken"))
    [(_, env)] = asked
    assert not [k for k in settings(env) if "xtraHeader" in k]
    assert env["GIT_ALLOW_PROTOCOL"] == "https:ssh:file"


def test_a_token_does_not_follow_a_redirect(tmp_path: Path) -> None:
    """A real git against two real servers: the second is never asked."""
    asked: list[tuple[str, str]] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.server.server_address[1], self.headers.get("Authorization", "")))
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{other.server_address[1]}{self.path}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    first, other = (ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) for _ in range(2))
    for server in (first, other):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{first.server_address[1]}/o/r.git"
    env = {**clone._settings(url, Access()), "GIT_ALLOW_PROTOCOL": "http"}
    done = run("git", "clone", "--", url, str(tmp_path / "x"), env=env)
    for server in (first, other):
        server.shutdown()
        server.server_close()
    assert done.code != 0
    assert {port for port, _ in asked} == {first.server_address[1]}


def test_ssh_uses_pinned_keys_one_key_of_its_own_and_no_agent(asked, tmp_path: Path) -> None:
    key = tmp_path / "a key"
    key.touch(mode=0o600)
    seen: list[str] = []
    real = clone.run

    def spy(*argv: str, **more) -> Ended:
        words = shlex.split(more["env"]["GIT_SSH_COMMAND"])
        options = dict(w.split("=", 1) for w in words if "=" in w)
        seen.append(Path(options["UserKnownHostsFile"]).read_text())
        return real(*argv, **more)

    clone.run = spy
    try:
        cloned(
            "ssh://git@git.example.org:2222/o/r.git", Access("t0ken", key, ("ssh-ed25519 AAAA",))
        )
    finally:
        clone.run = real
    [(_, env)] = asked
    words = shlex.split(env["GIT_SSH_COMMAND"])
    assert words[:5] == ["ssh", "-F", "/dev/null", "-i", str(key)]
    for option in (
        "StrictHostKeyChecking=yes", "IdentityAgent=none", "IdentitiesOnly=yes", "BatchMode=yes",
        "GlobalKnownHostsFile=/dev/null",
    ):  # fmt: skip
        assert option in words
    assert env["SSH_AUTH_SOCK"] == ""
    assert seen == ["[git.example.org]:2222 ssh-ed25519 AAAA\n"]
    assert "t0ken" not in str(env)


@pytest.fixture
def by_ssh(tmp_path: Path, remote: Path) -> Iterator[tuple[str, Access, Sshd]]:
    """The repository on a server, as Git's own ssh client finds it: address and what is pinned."""
    key = tmp_path / "id"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    with serving(Sshd(["/bin/sh"], tmp_path)) as sshd:
        yield f"ssh://git@127.0.0.1:{sshd.port}{remote}", Access("", key, (sshd.host_key,)), sshd


def test_a_source_is_fetched_over_ssh_from_the_host_that_is_pinned(by_ssh) -> None:
    url, access, _ = by_ssh
    with clone.local(url, "feature/x", access) as (folder, commit):
        assert git(folder, "show", f"{commit}:src/a.py") == "second"


def test_a_source_of_a_host_with_another_key_is_not_asked_for_anything(by_ssh) -> None:
    url, access, sshd = by_ssh
    stranger = paramiko.ECDSAKey.generate()
    other = f"{stranger.get_name()} {stranger.get_base64()}"
    with (
        pytest.raises(WrongUse, match="Host key verification failed") as refused,
        clone.local(url, "main", replace(access, host_keys=(other,))),
    ):
        pass
    assert "source_host_keys" in refused.value.todo
    assert sshd.commands == []


def test_without_an_ssh_client_it_is_what_is_named(by_ssh, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    url, access, _ = by_ssh
    with (
        pytest.raises(WrongUse, match="no ssh client") as refused,
        clone.local(url, "main", access),
    ):
        pass
    assert "openssh-client" in refused.value.todo


@pytest.mark.parametrize("access", [None, Access("t0ken"), Access(key_file=Path("id"))])
def test_ssh_without_pinned_keys_is_not_tried(asked, access) -> None:
    cloned("git@git.example.org:o/r.git", access)
    assert asked == []


@pytest.mark.parametrize("ref", ["--all", "-x", "--git-dir"])
def test_a_ref_is_never_an_option(remote: Path, ref: str) -> None:
    with (
        pytest.raises(WrongUse, match="no branch, tag or commit"),
        clone.local(f"file://{remote}", ref),
    ):
        pass


def test_the_image_of_the_workers_has_an_ssh_client() -> None:
    text = (Path(__file__).resolve().parents[2] / "docker" / "Dockerfile.flows").read_text()
    [line] = [x for x in text.splitlines() if "apt-get install" in x]
    assert {"git", "openssh-client"} <= set(line.split())
