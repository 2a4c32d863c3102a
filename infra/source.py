"""The application's source: a Git commit, a work tree with changes, or a plain directory.

A source is opened, listed and read where it lies; only the files that the builds may read are
copied, and Git is asked for those alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from deployments.errors import Refused, WrongUse
from deployments.inputs import cover
from infra.local import Ended, run

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


class Tree(Protocol):
    """A source before anything of it is copied."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        """Its files, relative with `/`, but for folders that may not hold any of interest."""

    def read(self, path: str) -> str | None:
        """A file's text; None when it is not there."""

    def copy(self, paths: Collection[str], root: Path) -> Source:
        """Copy some of its files into a folder."""


def opened(source: Path, ref: str, *, allow_dirty: bool, say: Callable[[str], None]) -> Tree:
    """Find out what a source is.

    Raises WrongUse for a folder or ref that is not there, Refused for a dirty tree.
    """
    if not source.is_dir():
        raise WrongUse(f"source {source} is not a directory", state="untouched")
    if _is_git(source):
        return _of_git(source, ref, allow_dirty=allow_dirty, say=say)
    if ref not in ("", "HEAD"):
        raise WrongUse(f"{source} is no Git work tree, so there is no ref {ref!r}")
    return _Directory(source)


@contextmanager
def staged(tree: Tree, paths: Collection[str], origin: str = "") -> Iterator[Source]:
    """Copy files of a source into a temporary folder, removed afterwards.

    origin: where a clone came from, for the manifest.
    """
    with tempfile.TemporaryDirectory(prefix="homeguru-source-") as folder:
        found = tree.copy(paths, Path(folder))
        yield replace(found, origin=origin or found.origin)


def _is_git(source: Path) -> bool:
    """Whether `source` itself is the top of a work tree; a folder inside one is plain."""
    done = _git(source, "rev-parse", "--show-toplevel")
    return done.code == 0 and Path(done.stdout.strip()).resolve() == source.resolve()


def _of_git(source: Path, ref: str, *, allow_dirty: bool, say: Callable[[str], None]) -> Tree:
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    commit = _git(source, *words, f"{ref}^{{commit}}")
    if commit.code != 0:
        raise WrongUse(
            f"no commit {ref!r}", where=str(source), state="untouched",
            todo="git fetch, or name a branch, tag or commit that `git log` shows",
        )  # fmt: skip
    sha = commit.stdout.strip()
    dirty = _git(source, "status", "--porcelain").stdout.splitlines() if ref == "HEAD" else []
    if not dirty:
        return _Commit(source, sha, ref)
    if not allow_dirty:
        raise Refused(
            f"the work tree has {len(dirty)} uncommitted changes, first: {dirty[0].strip()}",
            where=str(source), state="untouched",
            todo="commit them, name a ref, or publish the tree as it is with --allow-dirty",
        )  # fmt: skip
    say(f"publishing the work tree with {len(dirty)} uncommitted changes: named by content")
    return _WorkTree(source, sha)


class _Commit:
    """A commit, whatever lies in the work tree."""

    def __init__(self, folder: Path, sha: str, ref: str) -> None:
        self.folder = folder
        self._sha = sha
        self._ref = ref

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        return _in_open(self._listed, may_hold)

    @cached_property
    def _listed(self) -> list[str]:
        shown = _git(self.folder, "ls-tree", "-r", "-z", "--full-tree", self._sha).stdout
        entries = [entry.partition("\t") for entry in shown.split("\0") if entry]
        # A submodule is listed as a commit: its files lie in another repository.
        return _checked([path for about, _, path in entries if " commit " not in about])

    def read(self, path: str) -> str | None:
        shown = _git(self.folder, "cat-file", "blob", f"{self._sha}:{path}")
        return shown.stdout if shown.code == 0 else None

    def copy(self, paths: Collection[str], root: Path) -> Source:
        if paths:
            self._extract(set(paths), root)
        for path in sorted(paths):
            if (root / path).is_symlink() and not (root / path).exists():
                raise _dangling(path)
        author, created = _commit_facts(self.folder, self._sha)
        return Source(
            root, str(self.folder), f"sha-{self._sha[:12]}", self._ref, self._sha, author, created,
            _hashes(root), self._last_commit,
        )  # fmt: skip

    def _extract(self, wanted: set[str], root: Path) -> None:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            few = cover(self._listed, wanted)
            words = ("--format=tar", "-o", file.name, self._sha, "--", *few)
            done = _git(self.folder, "archive", *words)
            if done.code != 0:
                raise WrongUse(f"git archive: {done.stderr.strip()}", where=str(self.folder))
            try:
                with tarfile.open(file.name) as archive:
                    members = (member for member in archive if member.name in wanted)
                    archive.extractall(root, members=members, filter="data")
            except tarfile.FilterError as error:
                raise WrongUse(
                    f"commit {self._sha[:12]} holds a file that leaves the tree: {error}",
                    where=str(self.folder), state="untouched", todo="remove the symbolic link",
                ) from None  # fmt: skip

    def _last_commit(self, paths: list[str]) -> str:
        few = cover(self._listed, paths)
        done = _git(self.folder, "log", "-1", "--format=%H", self._sha, "--", *few)
        return done.stdout.strip() or self._sha


class _Directory:
    """A plain directory, named by its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        top, found = str(self.folder), []
        for folder, folders, names in os.walk(top):
            at = os.path.relpath(folder, top)
            prefix = "" if at == "." else f"{at}/"
            folders[:] = sorted(n for n in folders if n not in _SKIPPED and may_hold(prefix + n))
            found += [prefix + name for name in names]
        return _checked(found)

    def read(self, path: str) -> str | None:
        file = self.folder / path
        return file.read_text(errors="replace") if file.is_file() else None

    def copy(self, paths: Collection[str], root: Path) -> Source:
        files, newest = _copied(self.folder, sorted(paths), root)
        content = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
        return Source(
            root, str(self.folder), f"src-{content[:12]}", "directory", content[:40],
            os.environ.get("USER", ""), _utc(newest), files, lambda _: content[:40],
        )  # fmt: skip


class _WorkTree(_Directory):
    """A Git work tree with its changes, without what Git ignores."""

    def __init__(self, folder: Path, sha: str) -> None:
        super().__init__(folder)
        self._sha = sha

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        listed = _checked([p for p in _git(self.folder, *words).stdout.split("\0") if p])
        return _in_open(listed, may_hold)

    def copy(self, paths: Collection[str], root: Path) -> Source:
        # A file that was deleted is listed all the same.
        there = [path for path in paths if os.path.lexists(self.folder / path)]
        plain = super().copy(there, root)
        author, _ = _commit_facts(self.folder, self._sha)
        ref = "HEAD, with uncommitted changes"
        return replace(plain, ref=ref, commit=self._sha, author=author)


def _git(folder: Path, *words: str) -> Ended:
    # A path is no pattern: Next.js has folders such as [slug].
    return run("git", "-C", str(folder), "--literal-pathspecs", *words)


def _in_open(paths: list[str], may_hold: Callable[[str], bool]) -> list[str]:
    return [path for path in paths if may_hold(path.rpartition("/")[0])]


def _checked(paths: list[str]) -> list[str]:
    """Raises WrongUse for a name that is no UTF-8: what reads it next would lose the file."""
    wrong = [path for path in paths if "\ufffd" in path or not _is_utf8(path)]
    if wrong:
        raise WrongUse(
            f"the name of a file is not UTF-8: {wrong[0]!r}", state="untouched", todo="rename it"
        )
    return paths


def _is_utf8(path: str) -> bool:
    """A name that the file system gave and that is none holds surrogates."""
    return path.isascii() or not any("\ud800" <= char <= "\udfff" for char in path)


def _copied(
    source: Path, paths: list[str], root: Path
) -> tuple[dict[str, tuple[str, bool]], float]:
    """Copy regular files, and what links lead to; their hashes, and the time of the newest."""
    found, newest = {}, 0.0
    for path in paths:
        original, target = source / path, root / path
        if not original.exists():
            raise _dangling(path)
        if not original.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        content, about = original.read_bytes(), original.stat()
        target.write_bytes(content)
        executable = bool(about.st_mode & stat.S_IXUSR)
        target.chmod(0o755 if executable else 0o644)
        os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
        found[path] = (hashlib.sha256(content).hexdigest(), executable)
        newest = max(newest, about.st_mtime)
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    return found, newest


def _dangling(path: str) -> WrongUse:
    return WrongUse(
        f"{path} links to a file that the images leave out, or that is gone", state="untouched",
        todo="put the file itself there, or let .dockerignore treat both alike",
    )  # fmt: skip


def _hashes(root: Path) -> dict[str, tuple[str, bool]]:
    """Content and mode of every file; modes made those that an image's other user can read."""
    found = {}
    for folder, folders, names in os.walk(root):
        Path(folder).chmod(0o755)
        for name in (*names, *(n for n in folders if Path(folder, n).is_symlink())):
            file = Path(folder, name)
            about = file.stat()
            executable = bool(about.st_mode & stat.S_IXUSR)
            file.chmod(0o755 if executable or stat.S_ISDIR(about.st_mode) else 0o644)
            if stat.S_ISREG(about.st_mode):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                found[str(file)[len(str(root)) + 1 :]] = (content, executable)
    return dict(sorted(found.items()))


def _commit_facts(source: Path, sha: str) -> tuple[str, str]:
    shown = _git(source, "show", "-s", "--format=%an <%ae>%n%ct", sha)
    author, _, seconds = shown.stdout.strip().rpartition("\n")
    return author, _utc(int(seconds))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
