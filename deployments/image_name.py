"""Names of images, read as Docker reads them.

Source: the reference grammar of distribution; `docker.io` and `library/` are Docker's defaults.
"""

from __future__ import annotations

from typing import NamedTuple

HUB = "docker.io"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
REPOSITORY = rf"^{_PART}(/{_PART})*$"
"""A repository without its host: no part is `..`, and nothing in it ends a path or a word."""
REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$"
"""An image as people name it; a digest of another form would pin nothing."""


class ImageName(NamedTuple):
    """Host, repository without it, and what chooses one image there."""

    host: str
    repository: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """The digest where there is one, else the tag."""
        return self.digest or self.tag


def read(name: str) -> ImageName:
    """Split `[host/]repository[:tag][@digest]`; the first part is a host where it looks like one."""
    rest, _, digest = name.partition("@")
    first, slash, path = rest.partition("/")
    is_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    host, path = (first, path) if is_host else (HUB, rest)
    repository, colon, tag = path.rpartition(":")
    if not colon:
        repository, tag = path, "latest"
    if host == HUB and "/" not in repository:
        repository = f"library/{repository}"
    return ImageName(host, repository, tag, digest)


def without_tag(name: str) -> str:
    """The name as it is written, without what chooses one image of it."""
    folder, slash, last = name.partition("@")[0].rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def digest_of(name: str) -> str:
    """`[host/]repository[:tag]@sha256:...` -> `sha256:...`; empty where there is none."""
    return name.partition("@")[2]


def short(digest: str) -> str:
    """Twelve hex digits, enough for a person."""
    return digest.removeprefix("sha256:")[:12] or "none"


def place(name: str) -> str:
    """Registry and repository of an image, without what chooses one there."""
    image = read(name)
    return f"{image.host}/{image.repository}"
