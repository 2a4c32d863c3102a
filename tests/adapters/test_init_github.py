"""`init` in a repository on GitHub: workflows for one environment, and its secrets by `gh`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from deployments.errors import Refused, WrongUse
from deployments.onboarding.github import WORKFLOWS, caller, repository_of
from infra.cli.app import app
from infra.machine.processes import run
from tests.shapes import written

GH = """#!/bin/sh
{ printf '%s\\n' "$@"; echo "-- stdin:"; cat; echo "-- end"; } >> "$GH_CALLS"
case "$*" in "api --silent repos"*) [ -n "$GH_KNOWN" ] || exit 1 ;; esac
[ -z "$GH_REFUSES" ] || { echo "HTTP 403: Resource not accessible" >&2; exit 1; }
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    """A repository whose origin is on GitHub; `gh` notes what it is called with."""
    root = written("fastapi-vite", tmp_path)
    for words in (
        ("init", "-q", "-b", "trunk"),
        ("remote", "add", "origin", "git@github.com:acme/shop.git"),
    ):
        assert run("git", "-C", str(root), *words).code == 0
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("GH_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GH_REFUSES", "")
    monkeypatch.setenv("GH_KNOWN", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS", raising=False)
    monkeypatch.chdir(root)
    return root


def init(*words: str):
    return CliRunner().invoke(app, ["init", "--address", "203.0.113.7", "--yes", *words])


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop.js", "acme/shop.js"),
        ("https://token@github.com/acme/shop.git/", "acme/shop"),
        ("ssh://git@github.com/acme/shop", "acme/shop"),
        ("git@gitlab.com:acme/shop.git", ""),
        ("https://github.com.example.org/acme/shop", ""),
        ("https://github.com/acme/shop; rm -rf .", ""),
        ("", ""),
    ],
)
def test_which_repository_a_remote_is(remote: str, repository: str) -> None:
    assert repository_of(remote) == repository


def test_a_caller_is_pinned_and_names_its_environment() -> None:
    text = (
        "# .github/workflows/x.yml of the application\non:\n  push:\n    branches: [main]\njobs:\n"
    )
    text += "  x:\n    uses: systech/homeguru-deploy/.github/workflows/x.yml@main\n    with:\n"
    text += "      environment: production\n"
    made = yaml.safe_load(caller(text, "a" * 40, "staging", "trunk"))
    assert made["jobs"]["x"]["uses"].endswith(f"/x.yml@{'a' * 40}")
    assert made["jobs"]["x"]["with"] == {"environment": "staging"}
    assert made[True]["push"]["branches"] == ["trunk"]


def test_the_workflows_are_written_once(repository: Path) -> None:
    done = init("--env", "staging")
    assert done.exit_code == 0, done.output
    folder = repository / ".github" / "workflows"
    assert {file.stem for file in folder.iterdir()} == set(WORKFLOWS)
    for file in folder.iterdir():
        (job,) = yaml.safe_load(file.read_text())["jobs"].values()
        assert re.fullmatch(r"[\w/.-]+\.yml@([0-9a-f]{40}|v[\d.]+)", job["uses"])
        assert "production" not in file.read_text()
    (job,) = yaml.safe_load((folder / "release.yml").read_text())["jobs"].values()
    assert job["with"]["environment"] == "staging"
    assert "branches: [trunk]" in (folder / "release.yml").read_text()
    (folder / "deploy.yml").write_text("# mine\n")
    init("--env", "staging")
    assert (folder / "deploy.yml").read_text() == "# mine\n"
    other = init("--env", "production")
    assert "it is not for environment production" in other.output
    # Nobody asked for it.
    assert not Path(os.environ["GH_CALLS"]).exists()


def test_the_secrets_go_through_standard_input(repository: Path, tmp_path: Path) -> None:
    done = init("--github")
    assert done.exit_code == 0, done.output
    secrets = (repository / ".homeguru" / "production.secrets.env").read_text()
    key = (tmp_path / ".ssh" / "fastapi-vite_deploy").read_text()
    called = Path(os.environ["GH_CALLS"]).read_text().split("-- end\n")[:-1]
    words = [call.split("-- stdin:\n")[0].split() for call in called]
    given = [call.split("-- stdin:\n")[1] for call in called]
    assert words == [
        ["api", "--silent", "repos/acme/shop/environments/production"],
        ["api", "--silent", "--method", "PUT", "repos/acme/shop/environments/production"],
        ["secret", "set", "HOMEGURU_SECRETS", "--repo", "acme/shop", "--env", "production"],
        ["secret", "set", "SSH_KEY", "--repo", "acme/shop", "--env", "production"],
    ]
    assert given == ["", "", secrets, key]
    assert "JWT_SECRET=" in secrets
    assert "PRIVATE KEY" not in done.output
    assert secrets.split("JWT_SECRET=")[1].split("\n")[0] not in done.output


def test_an_environment_that_is_there_keeps_its_reviewers(repository: Path, monkeypatch) -> None:
    monkeypatch.setenv("GH_KNOWN", "1")
    assert init("--github").exit_code == 0
    assert "PUT" not in Path(os.environ["GH_CALLS"]).read_text()


def test_what_github_refuses_is_said(repository: Path, monkeypatch) -> None:
    monkeypatch.setenv("GH_REFUSES", "1")
    done = init("--github")
    assert isinstance(done.exception, Refused)
    assert done.exception.what == "gh says: HTTP 403: Resource not accessible"
    assert "gh secret set HOMEGURU_SECRETS --repo acme/shop --env production <" in done.exception.todo  # fmt: skip


def test_a_repository_elsewhere_gets_no_workflows(repository: Path) -> None:
    run("git", "-C", str(repository), "remote", "set-url", "origin", "git@gitlab.com:acme/shop.git")
    assert init().exit_code == 0
    assert not (repository / ".github").exists()
    refused = init("--github")
    assert isinstance(refused.exception, WrongUse)


def test_where_it_was_installed_from_git_its_commit_is_the_pin(tmp_path: Path, monkeypatch) -> None:
    from infra.onboarding import github

    class Installed:
        def read_text(self, name: str) -> str:
            return json.dumps({"vcs_info": {"vcs": "git", "commit_id": "b" * 40}})

    monkeypatch.setattr(github, "CHECKOUT", tmp_path)
    monkeypatch.setattr(github, "distribution", lambda name: Installed())
    assert github._own_ref() == "b" * 40
    folder = tmp_path / "a checkout"
    (folder / "doc" / "examples").mkdir(parents=True)
    written = json.dumps({"url": folder.as_uri(), "dir_info": {}})
    monkeypatch.setattr(Installed, "read_text", lambda self, name: written)
    with monkeypatch.context() as patch:
        patch.setattr(github, "_pushed_head", {folder: "c" * 40}.__getitem__)
        assert github._own_ref() == "c" * 40
    monkeypatch.setattr(Installed, "read_text", lambda self, name: None)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", github._own_ref())
