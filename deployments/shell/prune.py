"""Letting old releases go: their records, and images that nothing needs any more.

An image is a release's under a tag of its own. It goes when no kept release, no container of
any project and no other tag has it; what Docker refuses to remove stays, and fails nothing.
"""

from __future__ import annotations

from deployments.shell.quote import Script, call, functions, join


def prune(keep: list[str], journals: int) -> Script:
    """Remove every release's record but those to keep, and journals beyond the newest ones."""
    lines = [
        call("prune_releases", " ".join(keep)) if keep else "",
        call("prune_journals", journals),
    ]
    return Script(join(functions("images_references", "prune"), *lines), timeout=300)
