"""Finding and reading environments, their Compose file and their secrets."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments import environment_digest
from deployments.environment import Environment, parse_environment
from deployments.errors import WrongUse
from deployments.manifest import nearest
from infra.paths import docker_dir, packaged_environments

LONGEST = 100
"""Characters of a name that is looked for: the system refuses to look for very long ones."""

_overrides: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Located:
    """An environment and the file that it came from."""

    environment: Environment
    file: Path

    def beside(self, path: str) -> Path:
        """A path of the file, relative to the file."""
        return (self.file.parent / Path(path).expanduser()).resolve()

    @property
    def key_file(self) -> Path:
        return self.beside(self.environment.host.key_file)

    @property
    def source_key_file(self) -> Path | None:
        """The private key for sources over SSH; None where none is named."""
        named = self.environment.source_key_file
        return self.beside(named) if named else None

    @property
    def compose_file(self) -> Path:
        if self.environment.compose:
            return self.beside(self.environment.compose)
        return docker_dir() / "docker-compose.prod.yml"

    @property
    def configuration(self) -> str:
        """What the files of this machine say, for comparison on another one."""
        return environment_digest.encoded(self._digests)

    def must_be_as_asked(self, configuration: str) -> None:
        """Raise Refused where another machine's files say otherwise than this one's."""
        asked = environment_digest.decoded(configuration)
        environment_digest.must_be_as_asked(
            asked, self._digests, self.environment.name, str(self.file)
        )

    @property
    def _digests(self) -> dict[str, str]:
        return environment_digest.digests(self.environment, self.compose_file.read_text())

    @property
    def build_folder(self) -> Path:
        """Where its Dockerfiles and bake file lie: beside its own Compose file, or packaged."""
        own = self.compose_file.parent
        return own if (own / "docker-bake.hcl").is_file() else docker_dir()

    @property
    def edge_base(self) -> Path:
        """The edge's configuration without its routes: beside the Compose file, or packaged."""
        own = self.compose_file.parent / "edge" / "haproxy.cfg"
        return own if own.is_file() else docker_dir() / "edge" / "haproxy.cfg"


def folders() -> list[Path]:
    """Folders of `$HOMEGURU_ENVIRONMENTS`, then the packaged ones."""
    chosen = os.environ.get("HOMEGURU_ENVIRONMENTS", "")
    return [*(Path(p) for p in chosen.split(os.pathsep) if p), packaged_environments()]


def names() -> list[str]:
    """All environments that can be named, the first folder's first."""
    found = [file.stem for folder in folders() for file in sorted(folder.glob("*.toml"))]
    return list(dict.fromkeys(found))


def only() -> str:
    """The environment where there is one choice; raises WrongUse where somebody must choose.

    A folder of one's own counts before the packaged one.
    """
    for folder in folders():
        found = sorted(file.stem for file in folder.glob("*.toml"))
        if len(found) == 1:
            return found[0]
        if found:
            raise WrongUse(
                f"there are {len(found)} environments", where=str(folder), state="untouched",
                todo=f"choose one: --env {', --env '.join(found)}",
            )  # fmt: skip
    raise WrongUse(
        "there is no environment", where=", ".join(str(f) for f in folders()), state="untouched",
        todo="write one, or run `make demo`",
    )  # fmt: skip


def load(name: str) -> Located:
    """Read one environment; raises WrongUse for an unknown or wrong one."""
    for folder in folders():
        file = folder / f"{name}.toml"
        if len(name) <= LONGEST and file.is_file():
            return Located(parse_environment(name, _overridden(name, _read(file)), str(file)), file)
    known = names()
    meant = nearest(name, known)
    raise WrongUse(
        f"no environment {name[:LONGEST]!r}",
        where=", ".join(str(f) for f in folders()),
        state="not contacted",
        todo=f"choose one of: {', '.join(meant)}" if known else "write one, or run `make demo`",
    )


def override(name: str, host: dict[str, Any]) -> None:
    """Let these keys speak for an environment's [host] in this process."""
    _overrides[name] = host


def _overridden(name: str, data: dict[str, Any]) -> dict[str, Any]:
    host = data.get("host")
    if name not in _overrides or not isinstance(host, dict):
        return data
    return {**data, "host": {**host, **_overrides[name]}}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"not valid TOML: {error}",
            where=str(file),
            state="untouched",
            todo="correct that line; deployments/environments/production.toml shows the form",
        ) from None
