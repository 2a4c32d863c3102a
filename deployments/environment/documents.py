"""Addresses of the documents: whoever installed homeguru has no folder `doc`."""

from __future__ import annotations

_REPOSITORY = "https://github.com/systech/homeguru-deploy/blob/main"


def document(path: str) -> str:
    """The web address of a file of this repository."""
    return f"{_REPOSITORY}/{path}"


X_DEPLOY = document("doc/reference/x-deploy.md")
ANOTHER_APPLICATION = document("doc/guides/another-application.md")
AUTO_DEPLOY = document("doc/guides/auto-deploy-setup.md")
EXAMPLE = document("deployments/environments/production.toml")
"""An environment with every key."""
