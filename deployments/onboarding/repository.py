"""An application's repository, as far as `init` reads it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.compose.references import in_capitals, interpolate, variable_name
from deployments.image_name import read
from deployments.onboarding.dockerfile import exposed

_EXAMPLES = ("example", "sample", "template", "dist")


@dataclass(frozen=True)
class NamedEnvFile:
    """One that a service names. path: from the root of the repository."""

    path: str
    required: bool

    @property
    def outside(self) -> bool:
        return self.path.startswith(("/", "~", "../"))

    @property
    def candidates(self) -> tuple[str, ...]:
        """Where its names are read: itself, and the example of it that is committed."""
        return (self.path, *(f"{self.path}.{example}" for example in _EXAMPLES[:3]))


@dataclass(frozen=True)
class Repository:
    """name: of its folder. files: paths of everything that is committed, or there.

    compose: the Compose file's content as it is written; empty without one. texts: of Dockerfiles,
    scripts and source files that were read, by path. env_files: variables of each env file, by path.
    unread: numbers of lines of such a file that give nothing a value. renamed: variables that the Compose
    file names, and that have a name of capitals in `compose`. Every path is relative to its root.
    """

    name: str
    files: frozenset[str]
    compose_file: str = ""
    compose: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unread: Mapping[str, Sequence[int]] = field(default_factory=dict)
    renamed: frozenset[str] = frozenset()

    @property
    def project(self) -> str:
        """Its name as a Compose project and in paths."""
        named = interpolate(str(self.compose.get("name") or ""), {}) or self.name
        # As Compose makes a project of a folder's name: what runs already keeps its volumes.
        slug = re.sub(r"[^a-z0-9_-]", "", named.lower()).lstrip("_-")
        return slug[:40].rstrip("_-") or "application"

    @property
    def folder(self) -> str:
        """Where its Compose file lies: what that names is relative to it."""
        return posixpath.dirname(self.compose_file) or "."

    @property
    def override(self) -> str:
        """The file that Compose reads after this one without being told to; empty where there is none."""
        stem = posixpath.splitext(posixpath.basename(self.compose_file))[0]
        usual = stem in ("compose", "docker-compose")
        paths = [self.path(f"{stem}.override.{end}") for end in ("yml", "yaml") if usual]
        return next((path for path in paths if path in self.files), "")

    def path(self, written: str) -> str:
        """A path of the Compose file, from the root of the repository; `..` where it lies above."""
        return posixpath.normpath(posixpath.join(self.folder, written))

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Services of the Compose file; without one, what the Dockerfile in its root makes."""
        named = self.compose.get("services")
        if isinstance(named, Mapping) and named:
            return self._with_shared_builds({str(n): dict(b or {}) for n, b in named.items()})
        if "Dockerfile" not in self.files:
            return {}
        port = exposed(self.texts.get("Dockerfile", ""))
        return {"web": {"build": ".", **({"ports": [f"{port}:{port}"]} if port else {})}}

    def _with_shared_builds(self, bodies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The services, with its `build` at each that names an image which another one builds.

        Compose gives what it builds that name, so no registry has it.
        """
        builds: dict[str, Any] = {}
        for body in bodies.values():
            if body.get("image") and body.get("build"):
                builds.setdefault(self._whole_image(body), body["build"])
        return {
            name: body
            if "build" in body or self._whole_image(body) not in builds
            else {**body, "build": builds[self._whole_image(body)]}
            for name, body in bodies.items()
        }

    def image(self, body: Mapping[str, Any]) -> str:
        """A service's image, with what examples of env files give to variables in it."""
        return interpolate(str(body.get("image") or ""), self.examples())

    def _whole_image(self, body: Mapping[str, Any]) -> str:
        image = read(self.image(body))
        return f"{image.host}/{image.repository}:{image.reference}"

    def in_folder(self, path: str) -> list[str]:
        """Files that lie in a folder or below it."""
        return sorted(file for file in self.files if file.startswith(f"{path}/"))

    def below(self, folder: str) -> dict[str, str]:
        """Texts below a folder, `.` for all."""
        start = "" if folder in (".", "") else f"{folder.strip('/')}/"
        return {path: text for path, text in self.texts.items() if path.startswith(start)}

    def examples(self) -> dict[str, str]:
        """What examples of env files give to variables; of several, the first one counts.

        A file that is no example holds values of somebody's own: they are written nowhere.
        """
        examples = [v for path, v in self.env_files.items() if path.endswith(_EXAMPLES)]
        return {
            variable_name(name): self._in_capitals(text)
            for each in reversed(examples)
            for name, text in each.items()
        }

    def _in_capitals(self, text: str) -> str:
        """A text of an env file; a `$` before what is no variable of one may be a part of a value."""
        changed, others = in_capitals(text)
        known = {name for file in self.env_files.values() for name in file} if others else ()
        return changed if others and others <= set(known) else text

    def example(self, name: str) -> str:
        """What an example gives a variable; empty where none does."""
        return self.examples().get(variable_name(name), "")

    def of_env_files(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Variables that a service is given by its env files, each as a reference."""
        files = [file for named in self.env_files_of(body) for file in named.candidates]
        names = {name for file in files for name in self.env_files.get(file, ())}
        return {name: f"${{{variable_name(name)}}}" for name in sorted(names)}

    def examples_of(self, body: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """What examples of a service's own env files give to variables, with the file's path.

        Of several, the last one counts, as in Compose.
        """
        return {
            name: (self._in_capitals(value), named.path)
            for named in self.env_files_of(body)
            for file in reversed(named.candidates)
            if file.endswith(_EXAMPLES)
            for name, value in self.env_files.get(file, {}).items()
        }

    def env_files_of(self, body: Mapping[str, Any]) -> list[NamedEnvFile]:
        """Env files that a service names."""
        given = body.get("env_file") or []
        entries = given if isinstance(given, list) else [given]
        every = [e if isinstance(e, Mapping) else {"path": e} for e in entries]
        values = self.examples()
        return [
            NamedEnvFile(self.path(interpolate(str(path), values)), e.get("required") is not False)
            for e in every
            if (path := e.get("path"))
        ]
