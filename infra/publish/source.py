"""The application's source: opened to be looked at, and copied for a build.

Nothing is copied where every image is there already.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.errors import Refused, WrongUse
from infra.publish.archive import git
from infra.publish.trees import Commit, Directory, Source, Tree, WorkTree

_BESIDE = re.compile(
    r"\.homeguru/[^/]+\.(?:toml|secrets\.env)|\.github/workflows/[^/]+\.ya?ml|\.gitignore"
)
"""What a deploy or GitHub reads where it lies, and no image holds: as `init` has just written it."""


def opened(
    source: Path, ref: str, *, allow_dirty: bool, say: Callable[[str], None],
    compose_file: Path | None = None,
) -> Tree:  # fmt: skip
    """Find out what a source is.

    compose_file: the one of the environment: a deploy reads it from the work tree, as it is there.
    Raises WrongUse for a folder or ref that is not there, Refused for a dirty tree.
    """
    if not source.is_dir():
        raise WrongUse(
            f"source {source} is not a directory",
            state="untouched",
            todo="--source names a folder or a Git URL",
        )
    if _is_git(source):
        return _of_git(source, ref, compose_file, allow_dirty=allow_dirty, say=say)
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
    """Whether `source` itself is the top of a work tree; a folder inside one is plain.

    Raises WrongUse for one that Git does not read: as a plain folder it would be published with what is
    not committed, and with what Git leaves out.
    """
    completed = git(source, "rev-parse", "--show-toplevel")
    if completed.code != 0 and (source / ".git").exists():
        said = (completed.stderr.strip().splitlines() or ["it says nothing"])[0]
        path = shlex.quote(str(source.resolve()))
        raise WrongUse(
            f"Git does not read this repository: {said}", where=str(source), state="untouched",
            todo=f"if it is another user's and you trust it: git config --global --add safe.directory {path}; "
            f"else git -C {path} status says what is wrong",
        )  # fmt: skip
    return completed.code == 0 and Path(completed.stdout.strip()).resolve() == source.resolve()


def _of_git(
    source: Path, ref: str, compose_file: Path | None, *, allow_dirty: bool,
    say: Callable[[str], None],
) -> Tree:  # fmt: skip
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    commit = git(source, *words, f"{ref}^{{commit}}")
    if commit.code != 0:
        raise WrongUse(
            f"no commit {ref!r}", where=str(source), state="untouched",
            todo="git fetch, or name a branch, tag or commit that `git log` shows"
            if _has_commits(source)
            else "the repository has no commit yet: git add -A && git commit",
        )  # fmt: skip
    sha = commit.stdout.strip()
    dirty = _changes(source, compose_file) if ref == "HEAD" else []
    if not dirty:
        committed = Commit(source, sha, ref)
        if inside := committed.submodules:
            say(
                f"left out, as submodules of the source: {', '.join(inside)}; no image has their files"
            )
        return committed
    if not allow_dirty:
        raise Refused(
            f"the work tree has {_in_files(dirty)}, first: {dirty[0].strip()}",
            where=str(source), state="untouched",
            todo="commit them, name a ref, or publish the tree as it is with --allow-dirty",
        )  # fmt: skip
    say(f"publishing the work tree with {_in_files(dirty)}: named by content")
    return WorkTree(source, sha)


def _in_files(dirty: list[str]) -> str:
    return f"uncommitted changes in {len(dirty)} file{'s' if len(dirty) > 1 else ''}"


def _has_commits(source: Path) -> bool:
    return git(source, "rev-parse", "--verify", "--quiet", "HEAD").code == 0


def _changes(source: Path, compose_file: Path | None) -> list[str]:
    """What of the work tree is not committed and could be in an image, as Git shows it."""
    root, compose = source.resolve(), compose_file.resolve() if compose_file else None
    deployed = str(compose.relative_to(root)) if compose and compose.is_relative_to(root) else ""
    # With no renames each change is a line of its own.
    words = ("status", "--porcelain", "--no-renames", "--untracked-files=all", "-z")
    changes = [line for line in git(source, *words).stdout.split("\0") if line]
    return [c for c in changes if not _BESIDE.fullmatch(c[3:]) and c[3:] != deployed]
