"""How an image is built, and what of the source its build reads."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments.build import dockerfile
from deployments.build.dockerignore import Dockerignore
from deployments.environment.policy import OwnDockerfile


@dataclass(frozen=True)
class Recipe:
    """A service's Dockerfile with its `.dockerignore`.

    reads: files of the source that Docker reads besides its context. own: where the Dockerfile is
    the application's own and lies in the source; None for one next to the bake file.
    """

    service: str
    dockerfile: str
    ignore: Dockerignore
    own: OwnDockerfile | None = None
    reads: tuple[str, ...] = ()

    @property
    def _prefix(self) -> str:
        """What every path of the context begins with."""
        return "" if self.own is None or self.own.context == "." else f"{self.own.context}/"

    def may_hold(self, folder: str) -> bool:
        """Whether the build may read something below a folder of the source."""
        within = f"{folder}/" if folder else ""
        if any(path.startswith(within) for path in (self._prefix, *self.reads)):
            return True
        if not within.startswith(self._prefix):
            return False
        return self.ignore.may_hold(folder.removeprefix(self._prefix))

    def lets_in(self, path: str) -> bool:
        """Whether the build gets a file of the source."""
        inside = path.startswith(self._prefix)
        return inside and self.ignore.lets_in(path.removeprefix(self._prefix))

    def select(self, paths: Iterable[str]) -> list[str]:
        """The files of these that the build gets, sorted."""
        return sorted(path for path in paths if self.lets_in(path))

    def missing(self, paths: Iterable[str], build: Mapping[str, str]) -> list[str]:
        """What the build needs and does not get of a source with these files, as paths of it."""
        available = _with_folders(self.select(paths))
        if self._prefix and self._prefix.rstrip("/") not in available:
            return [self._prefix.rstrip("/")]
        wanted = [f"{self._prefix}{path}" for path in self.needed(build)]
        return [path for path in wanted if path not in available] + self._modules_missing(available)

    def needed(self, build: Mapping[str, str]) -> list[str]:
        """Paths of its context that the Dockerfile cannot do without. build: its arguments."""
        return dockerfile.required(self.dockerfile, build, self.own.target if self.own else None)

    @property
    def modules(self) -> list[str]:
        """Modules that the image starts; an application's own Dockerfile may make them itself."""
        started = [] if self.own else dockerfile.started(self.dockerfile)
        return [f"{name.replace('.', '/')}.py" for name in started]

    def _modules_missing(self, available: set[str]) -> list[str]:
        """A folder of the name is a package, which can be started too."""
        return [
            path
            for path in self.modules
            if path.partition("/")[0] in available
            and not {path, path.removesuffix(".py")} & available
        ]


def _with_folders(paths: Iterable[str]) -> set[str]:
    folders = set()
    for path in paths:
        while path and path not in folders:
            folders.add(path)
            path = posixpath.dirname(path)
    return folders
