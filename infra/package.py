"""A version of this project itself: what .github/workflows/package.yml calls.

`python3 -m infra.package notes|image|release TAG`. It needs Python alone: nothing is installed next
to the token that publishes.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from deployments import changelog
from deployments.errors import HomeguruError, WrongUse
from infra.engine.login import logged_in
from infra.machine.paths import CHECKOUT
from infra.machine.processes import run, stream
from infra.machine.sinks import clean, cleaned, hide

REGISTRY = "ghcr.io"
IMAGE = "homeguru-flows"
WHEELS = CHECKOUT / "dist"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LABEL = "org.opencontainers.image"


def section(tag: str) -> changelog.ChangelogSection:
    """What the tag's version changed. Raises WrongUse where tag, version and changelog differ."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    version = changelog.tagged(tag, project["version"])
    return changelog.released((CHECKOUT / changelog.FILE).read_text(), version)


def notes(tag: str) -> None:
    """Print the notes of a version; nothing may be published without them."""
    sys.stdout.write(changelog.notes(section(tag)))


def image(tag: str) -> None:
    """Build the image of workers and flow runs, and push it; outputs: name, digest."""
    version = section(tag).version
    repository, token = _needed("GITHUB_REPOSITORY"), _needed("GITHUB_TOKEN")
    hide([token])
    name = f"{REGISTRY}/{repository.partition('/')[0].lower()}/{IMAGE}"
    labels = {
        "version": version, "revision": _needed("GITHUB_SHA"),
        # By it GHCR knows whose package it is.
        "source": f"{_needed('GITHUB_SERVER_URL')}/{repository}",
    }  # fmt: skip
    with (
        logged_in((REGISTRY, _needed("GITHUB_ACTOR"), token)) as login,
        tempfile.TemporaryDirectory(prefix="homeguru-package-") as folder,
    ):
        metadata = Path(folder) / "metadata.json"
        built = stream(
            "docker", "buildx", "build", "--push", "--progress", "plain",
            "--file", str(CHECKOUT / "docker" / "Dockerfile.flows"), "--tag", f"{name}:{version}",
            *(f"--label={_LABEL}.{key}={value}" for key, value in labels.items()),
            "--metadata-file", str(metadata), str(CHECKOUT), log=_say, env=login,
        )  # fmt: skip
        if built.code:
            raise HomeguruError(
                f"{name}:{version} was not pushed", todo="the lines above name what failed"
            )
        digest = json.loads(metadata.read_text())["containerimage.digest"]
    _output("name", name)
    _output("digest", digest)


def release(tag: str) -> None:
    """Make the release on GitHub, with its notes and the wheel."""
    found = section(tag)
    wheels = sorted(WHEELS.glob(f"*-{found.version}-*.whl"))
    if len(wheels) != 1:
        raise WrongUse(
            f"one wheel of {found.version} is wanted, and there are {len(wheels)}",
            where=str(WHEELS), todo="make wheel",
        )  # fmt: skip
    text = changelog.notes(found, _pushed())
    words = ("--verify-tag", "--title", tag, "--notes-file", "-")
    made = run("gh", "release", "create", tag, *words, str(wheels[0]), stdin=text, timeout=600)
    if made.code:
        raise HomeguruError(
            f"GitHub made no release: {made.stderr.strip()}", where=tag,
            todo="gh release view shows whether there is one already",
        )  # fmt: skip
    _say(made.stdout.strip())


def _pushed() -> str:
    """The image that another job pushed, by its digest."""
    name, digest = _needed("IMAGE"), _needed("DIGEST")
    if not _DIGEST.fullmatch(digest):
        raise WrongUse(f"{digest!r} is no digest", where=name, todo="push the image again")
    return f"{name}@{digest}"


def _needed(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise WrongUse(f"{variable} is not set", todo="the workflow sets it for this step")
    return value


def _output(name: str, value: str) -> None:
    with Path(_needed("GITHUB_OUTPUT")).open("a", encoding="utf-8") as out:
        out.write(f"{name}={value}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{clean(line)}\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Carry out one verb for one tag; returns the exit code."""
    verbs = {verb.__name__: verb for verb in (notes, image, release)}
    try:
        if len(words) != 2 or words[0] not in verbs:
            raise WrongUse("a verb and a tag are wanted", todo=f"{'|'.join(verbs)} v1.2.0")
        verbs[words[0]](words[1])
    except HomeguruError as error:
        sys.stderr.write(f"Error: {cleaned(error)}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
