"""What an ordinary service mounts, as it reaches a server: volumes, folders of data, files by their content."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from deployments.onboarding.adaptation import Adaptation, Edit
from deployments.onboarding.bodies import POSTGRES
from deployments.onboarding.database import words_of
from deployments.onboarding.mounts import (
    carried,
    holds_data,
    is_code,
    is_installed,
    is_read_only,
    is_script,
    may_be_written,
    mount_of,
)  # fmt: skip
from deployments.onboarding.repository import Repository

_SINCE_18 = re.compile(
    r"(^|/)(postgres|postgis|pgvector):(pg)?(1[89]|[2-9]\d)|^(docker\.io/)?(library/)?postgres(:(?!\d)|$)"
)
"""PostgreSQL of 18 or later, which keeps its data elsewhere: `latest` and `alpine` are the newest one."""
_DATA = (
    (_SINCE_18, "/var/lib/postgresql"),
    (POSTGRES, "/var/lib/postgresql/data"),
    (re.compile(r"(^|/)(mysql|mariadb)(:|$)"), "/var/lib/mysql"),
    (re.compile(r"(^|/)mongo(:|$)"), "/data/db"),
)
"""Databases, and where each keeps its data."""

SCRIPT = 0o555
"""Mode of a program's file: read and started by everybody."""

_BY_CONTENT = "a file reaches the server by its content"
_KEPT_BY_NAME = "a volume with a name is kept"


def adapt_volumes(found: Repository, to: Adaptation, name: str, body: Mapping[str, Any]) -> None:
    """Add what becomes of a service's mounts to the adaptation."""
    _ServiceVolumes(found, to, name, body).adapt()


class _ServiceVolumes:
    def __init__(
        self, found: Repository, to: Adaptation, name: str, body: Mapping[str, Any]
    ) -> None:
        self._found, self._to, self._name, self._body = found, to, name, body
        self._kept: list[Any] = []
        self._configs: list[Any] = list(body.get("configs") or ())
        self._reasons: dict[str, None] = {}
        self._left_out: list[str] = []

    def adapt(self) -> None:
        for entry in [*(self._body.get("volumes") or []), *self._lacks_volume()]:
            self._add(entry)
        if self._reasons:
            self._to.change(self._name, "volumes", self._kept or None, "; ".join(self._reasons))
        if len(self._configs) > len(self._body.get("configs") or ()):
            self._to.change(self._name, "configs", self._configs, _BY_CONTENT)
        if self._left_out:
            self._to.notes.append(
                f"{self._name}: no volume at {', '.join(self._left_out)}: what is installed there is in the image, "
                "and a volume would hide what a later release installs"
            )

    def _add(self, entry: Any) -> None:
        source, target = mount_of(entry)
        if isinstance(entry, Mapping) and entry.get("type") not in (None, "volume", "bind"):
            self._kept.append(entry)
        elif is_installed(self._found, self._body, entry):
            self._leave_out(source, target)
        elif source == "":
            self._name_volume(target)
        elif source.startswith((".", "~")):
            self._add_folder(entry, source, target)
        else:
            self._kept.append(entry)

    def _add_folder(self, entry: Any, source: str, target: str) -> None:
        """A file or a folder that lies beside the Compose file."""
        path = self._found.path(source)
        if path in self._found.files:
            self._add_config(source, target)
            self._say_written(entry, source, [path], target)
        elif holds_data(path, target):
            self._kept.append(entry)
        elif is_code(self._found, self._body, path):
            self._because("the code is in the image")
        elif files := carried(self._found, path):
            for file in files:
                self._add_config(posixpath.join(source, file), f"{target.rstrip('/')}/{file}")
            self._say_written(entry, source, files, target)
        else:
            self._kept.append(entry)

    def _name_volume(self, target: str) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", f"{self._name}{target}".lower()).strip("-")
        self._to.edits.append(Edit(("volumes", name), {}, _KEPT_BY_NAME))
        self._kept.append(f"{name}:{target}")
        self._because(_KEPT_BY_NAME)

    def _leave_out(self, source: str, target: str) -> None:
        """A volume that kept the mount of the code from hiding what the image has."""
        self._because("what is installed is in the image")
        self._left_out.append(target)
        defined = ("volumes", source)
        if source in (self._found.compose.get("volumes") or {}) and not any(
            edit.path == defined for edit in self._to.edits
        ):
            self._to.edits.append(Edit(defined, None, "nothing mounts it"))

    def _lacks_volume(self) -> list[str]:
        """Where a database keeps its data, if the file gives that no volume."""
        image = self._found.image(self._body)
        data = next((path for pattern, path in _DATA if pattern.search(image)), "")
        mounted = [mount_of(entry)[1] for entry in self._body.get("volumes") or ()]
        inside = [path for path in mounted if f"{path.rstrip('/')}/".startswith(f"{data}/")]
        return [data] if data and "build" not in self._body and not inside else []

    def _add_config(self, source: str, target: str) -> None:
        """A file of the repository as a config of the release; source: as the Compose file names it."""
        path = posixpath.normpath(source)
        file = path if path.startswith("..") else f"./{path}"
        name = self._config_name(path)
        if name not in self._defined_configs():
            why = "its content is a part of the release"
            self._to.edits.append(Edit(("configs", name), {"file": file}, why))
        config: dict[str, Any] = {"source": name, "target": target}
        if self._is_started(source, target):
            config["mode"] = SCRIPT
        self._configs.append(config)
        self._because(_BY_CONTENT)

    def _config_name(self, path: str) -> str:
        """A name that no other file has: `a-b` and `a/b` would have one."""
        base = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
        taken = dict(self._defined_configs())
        taken |= {e.path[1]: e.value for e in self._to.edits if e.path[0] == "configs"}
        names = (base if n == 1 else f"{base}-{n}" for n in count(1))
        return next(
            name
            for name in names
            if name not in taken
            or posixpath.normpath(str((taken[name] or {}).get("file") or "")) == path
        )

    def _defined_configs(self) -> Mapping[str, Any]:
        """Configs that the Compose file has already."""
        return self._found.compose.get("configs") or {}

    def _is_started(self, source: str, target: str) -> bool:
        """Whether a file is a program: without its mode Docker would give the right to read it alone.

        An image's entrypoint sources the scripts of its folder that may only be read, with its functions.
        """
        if target.startswith("/docker-entrypoint"):
            return False
        first = [words_of(self._body.get(key))[:1] for key in ("entrypoint", "command")]
        path = self._found.path(source)
        return is_script(path, self._found.texts.get(path, "")) or [target] in first

    def _say_written(self, entry: Any, source: str, files: Iterable[str], target: str) -> None:
        """files: those that lie at the source, as configs from now on."""
        if not is_read_only(entry) and any(may_be_written(file, target) for file in files):
            self._to.notes.append(
                f"{self._name}: {source} comes with each release, as it is committed: what the service writes to "
                "it is gone then. A folder of data or a volume keeps it; with `:ro` it is only read"
            )

    def _because(self, reason: str) -> None:
        self._reasons[reason] = None
