"""What a build reads: the files that a `.dockerignore` lets in, and their hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase


def allowed(paths: Iterable[str], dockerignore: str) -> list[str]:
    """Paths, relative with `/`, that a `.dockerignore` lets into the build.

    The last line that matches a path, or a folder above it, decides.
    """
    rules = [
        (not line.startswith("!"), line.lstrip("!").strip("/"))
        for line in (raw.strip() for raw in dockerignore.splitlines())
        if line and not line.startswith("#")
    ]
    return sorted(path for path in paths if not _ignored(path, rules))


def _ignored(path: str, rules: list[tuple[bool, str]]) -> bool:
    ignored = False
    for leaves_out, pattern in rules:
        if _matches(path, pattern):
            ignored = leaves_out
    return ignored


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern names the path or one of the folders above it."""
    names, patterns = path.split("/"), pattern.split("/")
    return any(_fits(names[: n + 1], patterns) for n in range(len(names)))


def _fits(names: list[str], patterns: list[str]) -> bool:
    """Part by part: `*` never crosses a `/` and `**` is any number of parts, as in Docker's own."""
    if not patterns:
        return not names
    first, rest = patterns[0], patterns[1:]
    if first == "**":
        return any(_fits(names[n:], rest) for n in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], first) and _fits(names[1:], rest)


def required(dockerfile: str) -> list[str]:
    """Paths that a Dockerfile copies from its context and cannot do without.

    Globs are optional: `COPY .python-versio[n] ./` is how a file may be absent.
    """
    found: list[str] = []
    text = re.sub(r"\\\n", " ", dockerfile)
    for line in re.findall(r"^COPY\s+(.*)$", text, re.M | re.I):
        words = line.split()
        if any(w.startswith("--from") for w in words):
            continue
        sources = [w for w in words if not w.startswith("--")][:-1]
        found += [s.rstrip("/") for s in sources if not re.search(r"[*?\[]|^<<", s) and s != "."]
    return list(dict.fromkeys(found))


def arguments(dockerfile: str) -> set[str]:
    """Names of the build arguments that a Dockerfile declares."""
    return set(re.findall(r"^ARG\s+([A-Za-z_][A-Za-z0-9_]*)", dockerfile, re.M))


def input_hash(
    files: Mapping[str, tuple[str, bool]], dockerfiles: Iterable[str],
    settings: Mapping[str, str],
) -> str:  # fmt: skip
    """Sixteen hex digits over everything that decides an image's content.

    files: path to (SHA-256 of the content, executable). settings: base image digests
    and build arguments.
    """
    digest = hashlib.sha256()
    for path, (content, executable) in sorted(files.items()):
        digest.update(f"{path}\0{content}\0{executable:d}\n".encode())
    for text in dockerfiles:
        digest.update(hashlib.sha256(text.encode()).digest())
    for name, value in sorted(settings.items()):
        digest.update(f"{name}={value}\n".encode())
    return digest.hexdigest()[:16]


def base_images(dockerfile: str) -> dict[str, str]:
    """Build argument to its default, for every `FROM ${ARGUMENT}`."""
    used = set(re.findall(r"^FROM\s+\$\{(\w+)\}", dockerfile, re.M))
    defaults = dict(re.findall(r"^ARG\s+(\w+)=(\S+)", dockerfile, re.M))
    return {name: defaults.get(name, "") for name in sorted(used)}
