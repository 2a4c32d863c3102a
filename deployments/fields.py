"""Kinds of fields in an environment file, and the table that takes no unknown ones."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from deployments.image_name import REFERENCE, REPOSITORY

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Project = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Directory = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]+$")]
Registry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")]
Image = Annotated[str, StringConstraints(pattern=REFERENCE)]
KeptFolder = Annotated[
    str,
    StringConstraints(pattern=r"^(/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"),
    AfterValidator(lambda path: _check_kept(path)),
]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Domain = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$"),
]


def _check_kept(path: str) -> str:
    if path in ("/app", "/home"):
        raise ValueError(f"a volume at {path} would hide the files of the next release")
    return path


def check_address(url: str) -> str:
    """A port that is no number would be found only when the address is asked."""
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None
    return url


Url = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$"), AfterValidator(check_address)
]


def _check_repository(template: str) -> str:
    """Whatever the service is called, a path in the registry must come of it."""
    if not re.fullmatch(REPOSITORY.removesuffix("$"), template.replace("{service}", "x")):
        raise ValueError(f"no repository comes of {template!r}: lower-case words, apart by / . _ -")
    return template


RepositoryTemplate = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9/._-]*\{service\}[a-z0-9._-]*$"),
    AfterValidator(_check_repository),
]


def _check_inside(path: str) -> str:
    """A path in the application's source: it neither begins at the root nor leaves the source."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path in the source: relative to its root, without `..`")
    return path.strip("/").removeprefix("./") or "."


InSource = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_.@/ +-]+$"), AfterValidator(_check_inside)
]


def _check_host_key(line: str) -> str:
    if not re.fullmatch(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+", line):
        raise ValueError('a host key reads "ssh-ed25519 AAAA...": type and base64, no host name')
    return line


HostKey = Annotated[str, AfterValidator(_check_host_key)]


class Strict(BaseModel):
    """A table of a file that people write: a key that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
