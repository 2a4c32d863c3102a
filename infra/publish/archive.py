"""Files of a commit, as Git archives them: each as it is committed, whatever `.gitattributes` say of archives."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.build.inputs import cover
from deployments.errors import WrongUse
from infra.machine.processes import Ended, run

_AS_COMMITTED = "* -export-ignore -export-subst\n"


def git(folder: Path, *words: str) -> Ended:
    """Git in a repository."""
    # A path is no pattern: Next.js has folders such as [slug].
    return run("git", "-C", str(folder), "--literal-pathspecs", *words)


@contextmanager
def archived(
    folder: Path, sha: str, listed: list[str], paths: Collection[str]
) -> Iterator[tarfile.TarFile]:
    """What Git writes of these files of a commit, and perhaps of others beside them.

    folder: the repository's root. listed: all files of the commit. Raises WrongUse where Git cannot.
    """
    # Without a name Git would write everything.
    few = cover(listed, paths) or ["."]
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "files.tar"
        _write(folder, file, sha, few)
        if not _holds(file, paths):
            # `export-ignore` is for what a project gives away: a build has what is committed.
            _write(_beside(folder, Path(work) / "beside.git"), file, sha, few)
        with tarfile.open(file) as archive:
            yield archive


def _write(repository: Path, file: Path, sha: str, few: list[str]) -> None:
    ended = git(repository, "archive", "--format=tar", "-o", str(file), sha, "--", *few)
    if ended.code != 0:
        raise WrongUse(
            f"git archive: {ended.stderr.strip()}", where=str(repository),
            todo="git fsck there shows what is amiss; then publish again",
        )  # fmt: skip


def _holds(file: Path, paths: Collection[str]) -> bool:
    with tarfile.open(file) as archive:
        return set(paths) <= set(archive.getnames())


def _beside(folder: Path, bare: Path) -> Path:
    """A repository with the same objects, whose own attributes count before those of the files."""
    objects = git(
        folder, "rev-parse", "--path-format=absolute", "--git-path", "objects"
    ).stdout.strip()
    kind = git(folder, "rev-parse", "--show-object-format").stdout.strip()
    run("git", "init", "--quiet", "--bare", "--template=", f"--object-format={kind}", str(bare))
    for name, text in (
        ("objects/info/alternates", f"{objects}\n"),
        ("info/attributes", _AS_COMMITTED),
    ):
        (bare / name).parent.mkdir(parents=True, exist_ok=True)
        (bare / name).write_text(text)
    return bare
