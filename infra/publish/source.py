"""The application's source: opened to be looked at, and copied for a build.

Nothing is copied where every image is there already.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.errors import Refused, WrongUse
from infra.publish.trees import Commit, Directory, Source, Tree, WorkTree, git


def opened(source: Path, ref: str, *, allow_dirty: bool, say: Callable[[str], None]) -> Tree:
    """Find out what a source is.

    Raises WrongUse for a folder or ref that is not there, Refused for a dirty tree.
    """
    if not source.is_dir():
        raise WrongUse(
            f"source {source} is not a directory",
            state="untouched",
            todo="--source names a folder or a Git URL",
        )
    if _is_git(source):
        return _of_git(source, ref, allow_dirty=allow_dirty, say=say)
    if ref not in ("", "HEAD"):
        raise WrongUse(
            f"{source} is no Git work tree, so there is no ref {ref!r}",
            todo="leave --ref out, or name a Git repository",
        )
    return Directory(source)


@contextmanager
def staged(tree: Tree, source: Source) -> Iterator[Path]:
    """The files in a temporary folder, removed afterwards; every user of an image can read them."""
    with tempfile.TemporaryDirectory(prefix="homeguru-source-") as folder:
        root = Path(folder)
        tree.copy(source, root)
        for path, (_, executable) in source.files.items():
            (root / path).chmod(0o755 if executable else 0o644)
        for place, _, _ in os.walk(root):
            Path(place).chmod(0o755)
        yield root


def _is_git(source: Path) -> bool:
    """Whether `source` itself is the top of a work tree; a folder inside one is plain."""
    completed = git(source, "rev-parse", "--show-toplevel")
    return completed.code == 0 and Path(completed.stdout.strip()).resolve() == source.resolve()


def _of_git(source: Path, ref: str, *, allow_dirty: bool, say: Callable[[str], None]) -> Tree:
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    commit = git(source, *words, f"{ref}^{{commit}}")
    if commit.code != 0:
        raise WrongUse(
            f"no commit {ref!r}", where=str(source), state="untouched",
            todo="git fetch, or name a branch, tag or commit that `git log` shows",
        )  # fmt: skip
    sha = commit.stdout.strip()
    dirty = git(source, "status", "--porcelain").stdout.splitlines() if ref == "HEAD" else []
    if not dirty:
        return Commit(source, sha, ref)
    if not allow_dirty:
        raise Refused(
            f"the work tree has {len(dirty)} uncommitted changes, first: {dirty[0].strip()}",
            where=str(source), state="untouched",
            todo="commit them, name a ref, or publish the tree as it is with --allow-dirty",
        )  # fmt: skip
    say(f"publishing the work tree with {len(dirty)} uncommitted changes: named by content")
    return WorkTree(source, sha)
