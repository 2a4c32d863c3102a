"""Where code may come from: the sources that an environment names, and a person's own folder.

Whoever may press a button, or fill in its form, chooses among what the environment names. Only
who sits at the machine where the publication runs may take another folder of that machine.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from deployments.errors import Refused

_WORD = r"[A-Za-z0-9_~][A-Za-z0-9._~+@-]*"
_PATH = rf"(/{_WORD})+/?"
_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_FORMS = (
    rf"https://{_NAME}(:\d{{1,5}})?{_PATH}",
    rf"ssh://{_USER}@{_NAME}(:\d{{1,5}})?{_PATH}",
    rf"{_USER}@{_NAME}:{_WORD}({_PATH})?/?",
    rf"(file://)?{_PATH}",
)


def check_source(source: str) -> str:
    """One of the forms in which code travels safely; raises ValueError for any other."""
    if not any(re.fullmatch(form, source) for form in _FORMS):
        raise ValueError(
            "a source reads https://host/path.git, ssh://user@host/path.git, user@host:path.git, or "
            "is an absolute folder; without credentials, and never http:// or git://, in which "
            "anybody on the way could change the code"
        )
    return source


Source = Annotated[str, AfterValidator(check_source)]


def is_url(source: str) -> bool:
    """Whether a source is a Git URL rather than a folder here."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:", source))


def over_ssh(source: str) -> bool:
    """Whether it is fetched by SSH, which needs the host's key and one of our own."""
    return source.startswith("ssh://") or (is_url(source) and "://" not in source)


def ssh_host(source: str) -> str:
    """The host of a source over SSH, as a file of known hosts names it."""
    if "://" not in source:
        return source.partition("@")[2].partition(":")[0]
    parts = urlsplit(source)
    host = parts.hostname or ""
    return f"[{host}]:{parts.port}" if parts.port not in (None, 22) else host


def allowed(source: str, named: tuple[str, ...], *, pressed: bool, environment: str) -> str:
    """The source to take, in the environment's own spelling; raises Refused for any other.

    named: what the environment names. pressed: the run was created on a server, by a button, a
    form or the API, so that nobody at this machine chose the source.
    """
    for candidate in named:
        if _same(candidate, source):
            return candidate
    if pressed or (named and is_url(source)):
        raise Refused(
            f"environment {environment} does not name {source!r} as a source", state="untouched",
            todo=f"its `sources` {_list(named)}: choose one of them, or let who may edit the "
            f"environment's file add it. From a folder of your own machine: homeguru publish --env "
            f"{environment} --source FOLDER --here",
        )  # fmt: skip
    if is_url(source):
        try:
            check_source(source)
        except ValueError as error:
            raise Refused(
                f"no code is taken from {source!r}: {error}",
                state="untouched",
                todo="write https://host/path.git, user@host:path.git or a folder",
            ) from None
        if over_ssh(source):
            raise Refused(
                f"nothing says which key {ssh_host(source)} has, and an unknown host is never "
                "trusted", where=source, state="untouched",
                todo="name it in `sources`, its key in `source_host_keys`; or clone it yourself and "
                "publish that folder",
            )  # fmt: skip
    return source


def _list(named: tuple[str, ...]) -> str:
    return f"are {', '.join(named)}" if named else "are empty, so that no button may publish"


def _same(one: str, other: str) -> bool:
    """A closing slash or `.git` more or less is the same repository for every Git server."""
    return _plain(one) == _plain(other)


def _plain(source: str) -> str:
    return source.rstrip("/").removesuffix(".git")
