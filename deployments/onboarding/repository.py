"""An application's repository, as far as `init` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = ("example", "sample", "template", "dist")


@dataclass(frozen=True)
class Repository:
    """name: of its folder. files: paths of everything that is committed, or there.

    compose: the Compose file's content as it is written; empty without one. texts: of Dockerfiles,
    scripts and source files that were read, by path. env_files: variables of each env file, by path.
    """

    name: str
    files: frozenset[str]
    compose_file: str = ""
    compose: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def project(self) -> str:
        """Its name as a Compose project and in paths."""
        named = str(self.compose.get("name") or self.name)
        # As Compose makes a project of a folder's name: what runs already keeps its volumes.
        slug = re.sub(r"[^a-z0-9_-]", "", named.lower()).lstrip("_-")
        return slug[:40].rstrip("_-") or "application"

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Services of the Compose file; without one, what the Dockerfile in its root makes."""
        named = self.compose.get("services")
        if isinstance(named, Mapping) and named:
            return {str(name): dict(body or {}) for name, body in named.items()}
        if "Dockerfile" in self.files:
            return {"web": {"build": "."}}
        return {}

    def in_folder(self, path: str) -> list[str]:
        """Files that lie in a folder or below it."""
        return sorted(file for file in self.files if file.startswith(f"{path}/"))

    def below(self, folder: str) -> dict[str, str]:
        """Texts below a folder, `.` for all."""
        start = "" if folder in (".", "") else f"{folder.strip('/')}/"
        return {path: text for path, text in self.texts.items() if path.startswith(start)}

    def example(self, name: str) -> str:
        """What an example of an env file gives a variable; empty where none does.

        A file that is no example holds values of somebody's own: they are written nowhere.
        """
        examples = [v for path, v in self.env_files.items() if path.endswith(_EXAMPLES)]
        return next((v[name] for v in examples if name in v), "")
