"""What a Dockerfile tells of its image to whoever has no Compose file."""

from __future__ import annotations

import re

_LISTENS = {"nginx": 80, "httpd": 80, "caddy": 80}
"""Images of web servers that a page is copied into: their EXPOSE is not in the Dockerfile."""


def exposed(dockerfile: str) -> int | None:
    """The port that an image listens on: its EXPOSE, or that of a web server that it begins with."""
    stages = re.split(r"^\s*FROM\s+", dockerfile, flags=re.MULTILINE | re.IGNORECASE)
    for stage in reversed(stages):
        if match := re.search(r"^\s*EXPOSE\s+(\d+)", stage, re.MULTILINE | re.IGNORECASE):
            return int(match[1])
    words = [word for word in stages[-1].split("\n")[0].split() if not word.startswith("--")]
    image = re.split(r"[:@]", words[0].rpartition("/")[2])[0] if words else ""
    return _LISTENS.get(image)


def copied(dockerfile: str) -> list[str]:
    """Paths of its context that it copies; none, where that is all of it or a pattern."""
    paths: list[str] = []
    for rest in re.findall(r"^\s*(?:COPY|ADD)\s+(.+)$", dockerfile, re.MULTILINE | re.IGNORECASE):
        words = re.sub(r"[\[\]\",]", " ", rest).split()
        if not any(word.startswith("--from") for word in words):
            paths += [word.strip("/") for word in words[:-1] if not word.startswith("--")]
    return [] if any(path in ("", ".") or "*" in path or "$" in path for path in paths) else paths
