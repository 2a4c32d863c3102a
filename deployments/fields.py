"""Kinds of fields in an environment file, and the table that takes no unknown ones."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from deployments.image_name import REFERENCE, REPOSITORY

FORMS: dict[str, str] = {}
"""Pattern to what a person writes: nobody who mistypes a key has to read a regular expression."""


def form(pattern: str, words: str, longest: int | None = None) -> StringConstraints:
    """A constraint with the sentence for those who did not meet it."""
    FORMS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=longest)


def explanation(kind: str, message: str, context: Mapping[str, Any]) -> str:
    """What pydantic found wrong with one value, as people read it."""
    if kind == "string_pattern_mismatch":
        return FORMS.get(str(context.get("pattern")), "not of the form that is wanted here")
    return message.removeprefix("Value error, ")


def first_problem(error: ValidationError, whole: str) -> str:
    """The first thing wrong with a text from outside, `key: problem`. whole: what to call all of it."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or whole
    return f"{key}: {explanation(first['type'], first['msg'], first.get('ctx', {}))}"


Name = Annotated[
    str, form(r"^[a-z][a-z0-9-]{0,39}$", "a name is 1 to 40 of a-z, 0-9 and -, from a letter on")
]
Port = Annotated[int, Field(ge=1, le=65535)]
USER_NAME = r"^[a-z_][a-z0-9_-]*$"
UserName = Annotated[str, form(USER_NAME, "a user's name is of a-z, 0-9, _ and -")]
Project = Annotated[
    str, form(r"^[a-z0-9][a-z0-9_-]{0,39}$", "a project is 1 to 40 of a-z, 0-9, _ and -")
]
Directory = Annotated[
    str, form(r"^/[A-Za-z0-9._/-]+$", "a path from / on, of letters, digits and . _ -")
]
Registry = Annotated[
    str,
    form(
        r"^[A-Za-z0-9.-]+(:\d{1,5})?$",
        "a registry reads ghcr.io or localhost:5000: no https://, no path",
    ),
]
Image = Annotated[str, form(REFERENCE, "an image reads host/name:tag or host/name@sha256:...")]
KeptFolder = Annotated[
    str,
    form(r"^(/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", "a path from / on, without .. and spaces"),
    AfterValidator(lambda path: _check_kept_folder(path)),
]
Privilege = Annotated[
    str,
    form(
        r"^(privileged|device_cgroup_rules|use_api_socket|(network_mode|pid|ipc|uts|userns_mode|cgroup): host|cap_add: [A-Z_]+"
        r"|security_opt: [a-z]+:unconfined|devices: /.+|/.*)$",
        "a privilege reads as the refusal names it: privileged, pid: host, cap_add: SYS_ADMIN, or a path",
    ),
]
VariableName = Annotated[
    str, form(r"^[A-Z][A-Z0-9_]*$", "a variable's name is of A-Z, 0-9 and _, from a letter on")
]
VulnerabilityId = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", "an id reads CVE-2030-12345 or GHSA-2c4m-59x9-fr2g", 100
    ),
]
Domain = Annotated[
    str,
    form(
        r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$",
        "a domain reads example.org, in lower case",
    ),
]


def _check_ipv4(text: str) -> str:
    return str(ipaddress.IPv4Address(text))


def _check_network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


Ipv4 = Annotated[str, form(r"^[0-9.]+$", "an address reads 127.0.0.1"), AfterValidator(_check_ipv4)]
Network = Annotated[
    str,
    form(r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$", "an address reads 203.0.113.7 or 203.0.113.0/24"),
    AfterValidator(_check_network),
]


def _check_kept_folder(path: str) -> str:
    if path in ("/app", "/home"):
        raise ValueError(f"a volume at {path} would hide the files of the next release")
    return path


def check_address(url: str) -> str:
    """A port that is no number would be noticed only when the address is requested."""
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None
    return url


Url = Annotated[
    str,
    form(r"^https?://[^\s/]+(/\S*)?$", "an address reads https://host/path"),
    AfterValidator(check_address),
]


def _check_repository(template: str) -> str:
    """With any service's name it must make a valid path in the registry."""
    if not re.fullmatch(REPOSITORY.removesuffix("$"), template.replace("{service}", "x")):
        raise ValueError(f"no repository comes of {template!r}: lower-case words, apart by / . _ -")
    return template


RepositoryTemplate = Annotated[
    str,
    form(
        r"^[a-z0-9/._-]*\{service\}[a-z0-9._-]*$",
        "a repository reads owner/name-{service}, in lower case and with {service}",
    ),
    AfterValidator(_check_repository),
]


def _check_inside(path: str) -> str:
    """A path in the application's source: it neither begins at the root nor leaves the source."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path in the source: relative to its root, without `..`")
    return path.strip("/").removeprefix("./") or "."


InSource = Annotated[
    str,
    form(r"^[A-Za-z0-9_.@/ +-]+$", "a path in the source, of letters, digits and . _ @ + -"),
    AfterValidator(_check_inside),
]


def _check_host_key(line: str) -> str:
    if not re.fullmatch(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+", line):
        raise ValueError('a host key reads "ssh-ed25519 AAAA...": type and base64, no host name')
    return line


HostKey = Annotated[str, AfterValidator(_check_host_key)]


class Frozen(BaseModel):
    """Data that does not change. Pydantic builds a model when it is used first: a command uses few of all."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Strict(Frozen):
    """A table of a file that people write: a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid")
