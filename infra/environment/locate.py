"""Finding and reading environments, their Compose file and their secrets."""

from __future__ import annotations

import socket
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.environment import digest as environment_digest
from deployments.environment.digest import Compared
from deployments.environment.documents import EXAMPLE
from deployments.environment.schema import Environment, parse_environment
from deployments.errors import WrongUse
from deployments.release.manifest import nearest
from infra.environment.compose_cli import compose_text
from infra.environment.configs import config_files
from infra.environment.folders import LONGEST, file_of, folders, names, none_here, own_folders
from infra.machine.files import read_text
from infra.machine.paths import docker_dir

_overrides: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Located:
    """An environment and the file that it came from."""

    environment: Environment
    file: Path
    written: Environment | None = None
    """As the file has it, where this process reaches the host in another way."""

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

    @property
    def configuration_of_checkout(self) -> str:
        """The same of an application's repository, which need not know the server."""
        return environment_digest.encoded(environment_digest.of_a_checkout(self._digests))

    def check_as_requested(self, configuration: str) -> None:
        """Raise Refused where another machine's files say otherwise than this one's."""
        expected = environment_digest.decoded(configuration)
        environment_digest.check_as_requested(
            expected, self._digests, self.environment.name, str(self.file)
        )

    @property
    def digest(self) -> str:
        """All of that in twelve digits, for people."""
        return environment_digest.short(self._digests)

    def read_from(self, compared: Compared) -> str:
        """Whose file this is, in a sentence. compared: with what whoever asks has."""
        return environment_digest.read_from(
            self.environment.name, str(self.file), socket.gethostname(), self.digest, compared
        )

    @property
    def _digests(self) -> dict[str, str]:
        text = compose_text(self.compose_file)
        # Compose is asked only where there can be some.
        files = config_files(self.compose_file) if "configs" in text else []
        configs = {file.name: file.read_text(errors="replace") for file in files}
        return environment_digest.digests(self.written or self.environment, text, configs)

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


def load(name: str) -> Located:
    """Read one environment; raises WrongUse for an unknown or wrong one."""
    if file := file_of(name):
        return _located(name, file)
    existing = names()
    if not existing:
        raise none_here()
    raise WrongUse(
        f"no environment {name[:LONGEST]!r}",
        where=", ".join(str(f) for f in folders()),
        state="not contacted",
        todo=f"choose one of: {', '.join(nearest(name, existing))}",
    )


def own(name: str) -> Located | None:
    """The environment where a folder of one's own has it; None where none does.

    This project's checkout holds one of that name, too.
    """
    searched = own_folders() if len(name) <= LONGEST else []
    return load(name) if any((folder / f"{name}.toml").is_file() for folder in searched) else None


def all_of(folder: Path) -> list[Located]:
    """Every environment of one folder; raises WrongUse for a wrong one."""
    return [_located(file.stem, file) for file in sorted(folder.glob("*.toml"))]


def override(name: str, host: dict[str, Any]) -> None:
    """Let these keys speak for an environment's [host] in this process."""
    _overrides[name] = host


def _located(name: str, file: Path) -> Located:
    text = read_text(file)
    data = _parsed(text, file)
    used = parse_environment(name, _overridden(name, data), str(file), text)
    written = parse_environment(name, data, str(file), text) if name in _overrides else None
    return Located(used, file, written)


def _overridden(name: str, data: dict[str, Any]) -> dict[str, Any]:
    host = data.get("host")
    if name not in _overrides or not isinstance(host, dict):
        return data
    return {**data, "host": {**host, **_overrides[name]}}


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongUse(
            f"not valid TOML: {error}", where=str(file), state="untouched",
            todo=f"correct that line; {EXAMPLE} shows the form",
        ) from None  # fmt: skip
