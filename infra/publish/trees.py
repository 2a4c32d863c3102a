"""What a source holds: the files of a commit, of a work tree with changes, or of a directory.

They are listed, read and hashed where they lie; Git is asked only for the files that are needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from deployments.build.inputs import cover
from deployments.build.links import folders_above, resolved
from deployments.errors import Refused, WrongUse
from infra.publish.archive import archived, git

Files = dict[str, tuple[str, bool]]
_SKIPPED = {".git", "node_modules", ".venv", "__pycache__", ".next", ".homeguru"}


@dataclass(frozen=True)
class Source:
    """The files of a source that the builds may read.

    label: `sha-<12>` of the commit, or `src-<12>` of the content hash.
    created: of the commit, UTC ISO 8601; of the newest file for a directory.
    files: path to (SHA-256, executable).
    paths: the same, and links to folders, which have no content of their own.
    """

    origin: str
    label: str
    ref: str
    commit: str
    author: str
    created: str
    files: Files
    paths: frozenset[str]
    last_commit: Callable[[list[str]], str]
    subject: str = ""


class Tree(Protocol):
    """A source before anything of it is copied."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        """Its files, relative with `/`, but for folders that may not hold any of interest."""

    def read(self, path: str) -> str | None:
        """A file's text; None when it is not there."""

    def look(self, paths: Collection[str]) -> Source:
        """Hash some of its files, and what is to be said of them."""

    def copy(self, source: Source, root: Path) -> None:
        """Copy the files into a folder. Raises Refused when one is another by now."""


class Commit:
    """A commit, whatever lies in the work tree."""

    def __init__(self, folder: Path, sha: str, ref: str) -> None:
        self.folder = folder
        self._sha = sha
        self._ref = ref

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        return _in_open(self._listed, may_hold)

    @property
    def submodules(self) -> list[str]:
        """Folders whose files lie in another repository: the tree lists each as a commit."""
        return [path for about, path in self._entries if " commit " in about]

    @cached_property
    def _listed(self) -> list[str]:
        return _checked([path for about, path in self._entries if " commit " not in about])

    @cached_property
    def _entries(self) -> list[tuple[str, str]]:
        shown = git(self.folder, "ls-tree", "-r", "-z", "--full-tree", self._sha).stdout
        parts = [entry.partition("\t") for entry in shown.split("\0") if entry]
        return [(about, path) for about, _, path in parts]

    def read(self, path: str) -> str | None:
        shown = git(self.folder, "cat-file", "blob", f"{self._sha}:{path}")
        return shown.stdout if shown.code == 0 else None

    def look(self, paths: Collection[str]) -> Source:
        files: Files = {}
        links: dict[str, str] = {}
        wanted = set(paths)
        with self._archive(paths) as archive:
            for member in archive:
                if member.name not in wanted:
                    continue
                if member.issym():
                    links[member.name] = member.linkname
                elif content := archive.extractfile(member):
                    hashed = hashlib.sha256(content.read()).hexdigest()
                    files[member.name] = (hashed, bool(member.mode & stat.S_IXUSR))
        files |= self._through(links, files)
        author, created, subject = _commit_facts(self.folder, self._sha)
        return Source(
            str(self.folder), f"sha-{self._sha[:12]}", self._ref, self._sha, author, created,
            dict(sorted(files.items())), frozenset(paths), self._last_commit, subject,
        )  # fmt: skip

    def _through(self, links: dict[str, str], files: Files) -> Files:
        """What symbolic links to files lead to; one to a folder has no content of its own."""
        folders = {folder for path in files for folder in folders_above(path)}
        linked = {}
        for path in links:
            target = resolved(path, links)
            if target is None:
                raise WrongUse(
                    f"commit {self._sha[:12]} holds a file that leaves the tree: {path} links to "
                    f"{links[path]}", where=str(self.folder), state="untouched",
                    todo="remove the symbolic link",
                )  # fmt: skip
            if target in files:
                linked[path] = files[target]
            elif target and target not in folders:
                raise _dangling(path)
        return linked

    def copy(self, source: Source, root: Path) -> None:
        with self._archive(source.paths) as archive:
            members = (member for member in archive if member.name in source.paths)
            archive.extractall(root, members=members, filter="data")

    def _archive(self, paths: Collection[str]) -> AbstractContextManager[tarfile.TarFile]:
        return archived(self.folder, self._sha, self._listed, paths)

    def _last_commit(self, paths: list[str]) -> str:
        few = cover(self._listed, paths)
        completed = git(self.folder, "log", "-1", "--format=%H", self._sha, "--", *few)
        return completed.stdout.strip() or self._sha


class Directory:
    """A plain directory, named by its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        top, paths = str(self.folder), []
        for folder, folders, names in os.walk(top):
            at = os.path.relpath(folder, top)
            prefix = "" if at == "." else f"{at}/"
            folders[:] = sorted(n for n in folders if n not in _SKIPPED and may_hold(prefix + n))
            paths += [prefix + name for name in names]
        return _checked(paths)

    def read(self, path: str) -> str | None:
        file = self.folder / path
        return file.read_text(errors="replace") if file.is_file() else None

    def look(self, paths: Collection[str]) -> Source:
        files, newest = _hashed(self.folder, sorted(paths))
        content = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
        return Source(
            str(self.folder), f"src-{content[:12]}", "directory", content[:40],
            os.environ.get("USER", ""), _utc(newest), files, frozenset(files),
            lambda _: content[:40],
        )  # fmt: skip

    def copy(self, source: Source, root: Path) -> None:
        for path, (expected, _) in source.files.items():
            original, target = self.folder / path, root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, target)
            about = original.stat()
            os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
            if hashlib.sha256(target.read_bytes()).hexdigest() != expected:
                raise Refused(
                    f"{path} was changed while it was published", where=str(self.folder),
                    state="untouched", todo="publish again",
                )  # fmt: skip


class WorkTree(Directory):
    """A Git work tree with its changes, without what Git ignores."""

    def __init__(self, folder: Path, sha: str) -> None:
        super().__init__(folder)
        self._sha = sha

    def paths(self, may_hold: Callable[[str], bool]) -> list[str]:
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        listed = _checked([p for p in git(self.folder, *words).stdout.split("\0") if p])
        return _in_open(listed, may_hold)

    def look(self, paths: Collection[str]) -> Source:
        # A file that was deleted is listed all the same.
        present = [path for path in paths if os.path.lexists(self.folder / path)]
        plain = super().look(present)
        # What is published is not that commit's content: its subject would mislead.
        author, _, _ = _commit_facts(self.folder, self._sha)
        ref = "HEAD, with uncommitted changes"
        return replace(plain, ref=ref, commit=self._sha, author=author)


def is_changed(file: Path) -> bool:
    """Whether Git would commit something of this file; never outside of a repository."""
    return bool(git(file.parent, "status", "--porcelain", "--", file.name).stdout.strip())


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


def _hashed(folder: Path, paths: list[str]) -> tuple[Files, float]:
    """Regular files, and what links lead to; with the time of the newest."""
    files: Files = {}
    newest = 0.0
    for path in paths:
        file = f"{folder}/{path}"
        try:
            about = os.stat(file)  # noqa: PTH116
            content = Path(file).read_bytes() if stat.S_ISREG(about.st_mode) else None
        except PermissionError as error:
            raise WrongUse(
                f"{path} cannot be read: {error.strerror}",
                state="untouched",
                todo="let this user read it, or keep it out of the build with .dockerignore",
            ) from None
        except OSError:
            raise _dangling(path) from None
        if content is not None:
            executable = bool(about.st_mode & stat.S_IXUSR)
            files[path] = (hashlib.sha256(content).hexdigest(), executable)
            newest = max(newest, about.st_mtime)
    return files, newest


def _dangling(path: str) -> WrongUse:
    return WrongUse(
        f"{path} links to a file that the images leave out, or that is gone", state="untouched",
        todo="put the file itself there, or let .dockerignore treat both alike",
    )  # fmt: skip


def _commit_facts(source: Path, sha: str) -> tuple[str, str, str]:
    """Author, time and subject."""
    shown = git(source, "show", "-s", "--format=%ct%n%an <%ae>%n%s", sha)
    seconds, author, subject = (*shown.stdout.split("\n"), "", "")[:3]
    return author, _utc(int(seconds)), subject


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
