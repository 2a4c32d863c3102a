"""Workflows of an application's repository on GitHub: each calls the reusable one of the same name."""

from __future__ import annotations

import re

WORKFLOWS = ("release", "deploy", "rollback", "verify")
"""Push to production, and by hand: a deploy, the way back, a verification."""

_REMOTE = re.compile(
    r"(?:https://(?:[^@/\s]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<owner>[A-Za-z0-9-]+)/(?P<name>[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
_CALLED = re.compile(r"(uses: [\w-]+/[\w-]+/\.github/workflows/[\w-]+\.yml)@main\b")


def repository_of(remote: str) -> str:
    """`owner/name` of a Git remote on github.com; empty for one that is elsewhere."""
    found = _REMOTE.fullmatch(remote.strip())
    return f"{found['owner']}/{found['name']}" if found else ""


def caller(text: str, ref: str, environment: str, branch: str) -> str:
    """An example of a caller for one environment, pinned. ref: a commit, or a tag of a release."""
    # The first line says where the example belongs: it is there now.
    _, _, text = text.partition("\n")
    text = _CALLED.sub(rf"\1@{ref}", text)
    text = text.replace("default: production", f"default: {environment}")
    text = text.replace("environment: production", f"environment: {environment}")
    text = text.replace("branches: [main]", f"branches: [{branch}]")
    return text.replace("see README.md", "each called workflow names the secrets that it uses")
