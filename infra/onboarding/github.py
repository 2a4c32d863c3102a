"""An application's repository on GitHub: its workflows, and its secrets by `gh`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deployments.errors import Refused
from deployments.onboarding.github import WORKFLOWS, caller, repository_of
from infra.machine.paths import CHECKOUT
from infra.machine.processes import run

PACKAGE = "homeguru-deploy"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def github_repository(root: Path) -> str:
    """`owner/name` of the repository's origin; empty where that is not on GitHub."""
    origin = run("git", "-C", str(root), "remote", "get-url", "origin")
    return repository_of(origin.stdout) if origin.code == 0 else ""


def workflows(environment: str, branch: str) -> dict[str, str]:
    """Callers for one environment, by path in the repository. branch: whose pushes are released."""
    ref = _own_ref()
    return {
        f".github/workflows/{name}.yml": caller(_example(name), ref, environment, branch)
        for name in WORKFLOWS
    }


def _example(name: str) -> str:
    checkout = CHECKOUT / "doc" / "examples"
    folder = checkout if checkout.is_dir() else Path(str(files("infra"))) / "_data" / "examples"
    return (folder / f"{name}.yml").read_text()


def _own_ref() -> str:
    """This program's commit, where it knows that; else the tag of its version."""
    try:
        # Written by pip and uv where it was installed from Git, or from a folder (PEP 610).
        written = json.loads(distribution(PACKAGE).read_text("direct_url.json") or "{}")
        commit = str(written.get("vcs_info", {}).get("commit_id", ""))
        place = urlsplit(str(written.get("url", "")))
    except (PackageNotFoundError, ValueError):
        commit, place = "", urlsplit("")
    folders = [Path(unquote(place.path))] if place.scheme == "file" else []
    for checkout in (CHECKOUT, *folders):
        if (checkout / "doc" / "examples").is_dir() and (head := _pushed_head(checkout)):
            return head
    return commit if _COMMIT.fullmatch(commit) else f"v{version(PACKAGE)}"


def _pushed_head(checkout: Path) -> str:
    """Its commit, where a remote has it; empty where GitHub would not know it."""
    known = run("git", "-C", str(checkout), "branch", "-r", "--contains", "HEAD")
    if known.code or not known.stdout.strip():
        return ""
    return run("git", "-C", str(checkout), "rev-parse", "HEAD").stdout.strip()


def released_branch(root: Path) -> str:
    """The branch whose pushes are released: the remote's default one, else the current one."""
    for words in (
        ("symbolic-ref", "--short", "refs/remotes/origin/HEAD"),
        ("symbolic-ref", "--short", "HEAD"),
    ):
        found = run("git", "-C", str(root), *words)
        name = found.stdout.strip().removeprefix("origin/")
        if found.code == 0 and _BRANCH.fullmatch(name):
            return name
    return "main"


def put_secrets(
    repository: str, environment: str, secrets: Path, key: Path, say: Callable[[str], None]
) -> None:
    """Write the secrets file and the deploy key into the environment on GitHub, by `gh`.

    Values go through standard input. Raises Refused where `gh` is missing or GitHub refuses.
    """
    quoted = shlex.quote(str(secrets))
    by_hand = f"by hand: gh secret set HOMEGURU_SECRETS --repo {repository} --env {environment} < {quoted}"
    if not shutil.which("gh"):
        raise Refused(
            "gh, GitHub's command line, is not installed", where=repository, state="not contacted",
            todo="install it from https://cli.github.com, then gh auth login, and run init again",
        )  # fmt: skip
    there = f"repos/{repository}/environments/{environment}"
    # Made anew it might lose its reviewers and branches.
    if run("gh", "api", "--silent", there).code:
        _gh(repository, by_hand, "api", "--silent", "--method", "PUT", there)
    for name, file in (("HOMEGURU_SECRETS", secrets), ("SSH_KEY", key)):
        if not file.is_file():
            continue
        _gh(repository, by_hand, "secret", "set", name, "--repo", repository, "--env", environment,
            stdin=file.read_bytes())  # fmt: skip
        say(f"secret {name} of environment {environment} is on {repository}")


def _gh(repository: str, todo: str, *words: str, stdin: bytes = b"") -> None:
    ended = run("gh", *words, stdin=stdin)
    if ended.code:
        said = " ".join(ended.stderr.split())[:200]
        raise Refused(f"gh says: {said}", where=repository, state="not contacted", todo=todo)
