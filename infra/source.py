"""The application's source: a Git work tree at a ref, or a plain directory.

Either way the result is a folder that holds exactly the files that the builds may read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deployments.errors import Refused, WrongUse
from deployments.inputs import allowed
from infra.local import run

_SKIPPED = {".git", "node_modules", ".venv", "__pycache__", ".next"}


@dataclass(frozen=True)
class Source:
    """A staged source.

    label: `sha-<12>` of the commit, or `src-<12>` of the content hash.
    created: of the commit, UTC ISO 8601; of the newest file for a directory.
    files: path to (SHA-256, executable).
    """

    root: Path
    origin: str
    label: str
    ref: str
    commit: str
    author: str
    created: str
    files: dict[str, tuple[str, bool]]
    last_commit: Callable[[list[str]], str]


@contextmanager
def staged(
    source: Path,
    ref: str,
    dockerignores: list[str],
    *,
    allow_dirty: bool,
    say: Callable[[str], None],
    origin: str = "",
) -> Iterator[Source]:
    """Stage a source into a temporary folder, removed afterwards.

    origin: where a clone came from, for the manifest.

    Raises WrongUse for a folder or ref that is not there, Refused for a dirty tree.
    """
    if not source.is_dir():
        raise WrongUse(f"source {source} is not a directory", state="untouched")
    with tempfile.TemporaryDirectory(prefix="homeguru-source-") as folder:
        root = Path(folder)
        if _is_git(source):
            found = _from_git(source, ref, root, dockerignores, allow_dirty=allow_dirty, say=say)
            yield replace(found, origin=origin or found.origin)
        else:
            if ref not in ("", "HEAD"):
                raise WrongUse(f"{source} is no Git work tree, so there is no ref {ref!r}")
            yield _from_directory(source, root, _walk(source), dockerignores)


def _is_git(source: Path) -> bool:
    """Whether `source` itself is the top of a work tree; a folder inside one is plain."""
    done = run("git", "-C", str(source), "rev-parse", "--show-toplevel")
    return done.code == 0 and Path(done.stdout.strip()).resolve() == source.resolve()


def _from_git(
    source: Path, ref: str, root: Path, dockerignores: list[str], *, allow_dirty: bool,
    say: Callable[[str], None],
) -> Source:  # fmt: skip
    commit = run("git", "-C", str(source), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if commit.code != 0:
        raise WrongUse(
            f"no commit {ref!r}", where=str(source), state="untouched",
            todo="git fetch, or name a branch, tag or commit that `git log` shows",
        )  # fmt: skip
    sha = commit.stdout.strip()
    dirty = run("git", "-C", str(source), "status", "--porcelain").stdout.splitlines()
    if dirty and ref == "HEAD":
        if not allow_dirty:
            raise Refused(
                f"the work tree has {len(dirty)} uncommitted changes, first: {dirty[0].strip()}",
                where=str(source), state="untouched",
                todo="commit them, name a ref, or publish the tree as it is with --allow-dirty",
            )  # fmt: skip
        say(f"publishing the work tree with {len(dirty)} uncommitted changes: named by content")
        return _dirty(source, sha, root, dockerignores)
    _archive(source, sha, root)
    _keep_only(root, dockerignores)
    author, created = _commit_facts(source, sha)

    def last_commit(paths: list[str]) -> str:
        done = run("git", "-C", str(source), "log", "-1", "--format=%H", sha, "--", *paths)
        return done.stdout.strip() or sha

    return Source(
        root, str(source), f"sha-{sha[:12]}", ref, sha, author, created, _hashes(root), last_commit
    )


def _dirty(source: Path, sha: str, root: Path, dockerignores: list[str]) -> Source:
    listed = run(
        "git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    paths = [p for p in listed.stdout.split("\0") if p and (source / p).is_file()]
    author, _ = _commit_facts(source, sha)
    plain = _from_directory(source, root, paths, dockerignores)
    return Source(
        root, str(source), plain.label, "HEAD, with uncommitted changes", sha, author,
        plain.created, plain.files, plain.last_commit,
    )  # fmt: skip


def _from_directory(source: Path, root: Path, paths: list[str], dockerignores: list[str]) -> Source:
    newest = 0.0
    for path in _wanted(paths, dockerignores):
        if not (source / path).exists():
            raise _dangling(path)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, target, follow_symlinks=True)
        newest = max(newest, target.stat().st_mtime)
    files = _hashes(root)
    content = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    created = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    label = f"src-{content[:12]}"
    return Source(
        root, str(source), label, "directory", content[:40], os.environ.get("USER", ""), created,
        files, lambda _: content[:40],
    )  # fmt: skip


def _walk(source: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(set(folders) - _SKIPPED)
        found += [str((Path(folder) / name).relative_to(source)) for name in names]
    return found


def _wanted(paths: list[str], dockerignores: list[str]) -> set[str]:
    return {path for text in dockerignores for path in allowed(paths, text)}


def _archive(source: Path, sha: str, root: Path) -> None:
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        done = run("git", "-C", str(source), "archive", "--format=tar", "-o", file.name, sha)
        if done.code != 0:
            raise WrongUse(f"git archive: {done.stderr.strip()}", where=str(source))
        try:
            with tarfile.open(file.name) as archive:
                archive.extractall(root, filter="data")
        except tarfile.FilterError as error:
            raise WrongUse(
                f"commit {sha[:12]} holds a file that leaves the tree: {error}", where=str(source),
                state="untouched", todo="remove the symbolic link",
            ) from None  # fmt: skip


def _dangling(path: str) -> WrongUse:
    return WrongUse(
        f"{path} links to a file that the images leave out, or that is gone", state="untouched",
        todo="put the file itself there, or let .dockerignore treat both alike",
    )  # fmt: skip


def _keep_only(root: Path, dockerignores: list[str]) -> None:
    paths = [str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()]
    for path in set(paths) - _wanted(paths, dockerignores):
        (root / path).unlink()
    for left in sorted(root.rglob("*")):
        if left.is_symlink() and not left.exists():
            raise _dangling(str(left.relative_to(root)))


def _hashes(root: Path) -> dict[str, tuple[str, bool]]:
    """Content and mode of every file; modes made those that an image's other user can read."""
    for path in (root, *root.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            bool(path.stat().st_mode & stat.S_IXUSR),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _commit_facts(source: Path, sha: str) -> tuple[str, str]:
    shown = run("git", "-C", str(source), "show", "-s", "--format=%an <%ae>%n%ct", sha)
    author, _, seconds = shown.stdout.strip().rpartition("\n")
    created = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return author, created
