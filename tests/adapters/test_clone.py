"""A Git URL as a source."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.errors import WrongUse
from infra import clone
from infra.source import opened, staged


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
    assert clone.is_url(source) is url


@pytest.mark.parametrize(
    ("ref", "content"),
    [("HEAD", "first"), ("main", "first"), ("v1", "first"), ("feature/x", "second")],
)
def test_a_branch_a_tag_or_the_head_is_staged(remote: Path, ref: str, content: str) -> None:
    url = f"file://{remote}"
    with (
        clone.local(url, ref) as (folder, commit),
        staged(opened(folder, commit, allow_dirty=False, say=print), ["src/a.py"], url) as found,
    ):
        assert (found.root / "src" / "a.py").read_text() == f"{content}\n"
        assert found.origin == url
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
        clone.local(f"file://{tmp_path}/none", "HEAD", "t0ken"),
    ):
        pass
    assert "t0ken" not in str(error.value)
    assert "source_token" in error.value.todo


@pytest.mark.parametrize("url", ["https://user:pw@host/o/r", "https://token@host/o/r"])
def test_credentials_in_the_address_are_refused(url: str) -> None:
    with pytest.raises(WrongUse, match="holds credentials"), clone.local(url, "HEAD"):
        pass


def test_the_token_travels_in_the_environment(remote: Path, monkeypatch) -> None:
    seen: list[tuple[tuple[str, ...], dict]] = []
    real = clone.run

    def spy(*argv: str, **more):
        seen.append((argv, dict(more.get("env") or {})))
        return real(*argv, **more)

    monkeypatch.setattr(clone, "run", spy)
    with clone.local(f"file://{remote}", "HEAD", "t0ken"):
        pass
    assert all("t0ken" not in " ".join(argv) for argv, _ in seen)
    assert seen[0][1]["GIT_CONFIG_KEY_0"] == "http.extraHeader"
    assert seen[0][1]["GIT_CONFIG_VALUE_0"].startswith("Authorization: Basic ")
