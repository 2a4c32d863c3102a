"""Secrets by name: process environment, the environment's 0600 file, Prefect blocks."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Protocol, runtime_checkable

from deployments.compose.env_file import parse_secrets, with_secret
from deployments.compose.variables import how_to_give
from deployments.errors import WrongUse
from infra.environment.locate import Located
from infra.machine.files import is_file, read_text, replace_file


class SecretSource(Protocol):
    """Somewhere a secret may be found by its name."""

    def get(self, name: str) -> str | None:
        """The value, or None when this source does not have it."""


@runtime_checkable
class WritableSource(SecretSource, Protocol):
    """One in which a secret's value can be exchanged."""

    where: str
    """As people are told."""

    def put(self, name: str, value: str) -> None:
        """Write a value, whole or not at all."""


class ProcessEnvironment:
    """Variables of this process; in Actions, the job's secrets."""

    def get(self, name: str) -> str | None:
        """The value, or None."""
        return os.environ.get(name)


VARIABLE = "HOMEGURU_SECRETS"


class SecretsVariable:
    """The lines of a secrets file in one variable of this process; in Actions, one secret for all.

    A workflow cannot name the secrets of an application that it does not know.
    """

    def __init__(self) -> None:
        text = os.environ.get(VARIABLE, "")
        # What was copied from a file may begin with the mark of its encoding.
        self.values = parse_secrets(text.removeprefix("\ufeff"), VARIABLE)

    def get(self, name: str) -> str | None:
        """The value, or None; `init` leaves a line without one where nobody has given it yet."""
        return self.values.get(name) or None


class SecretsFile:
    """A file of `NAME=value` lines that only its owner may read."""

    def __init__(self, file: Path) -> None:
        self.where = str(file)
        self._file = file
        self._values: dict[str, str] = {}
        if not is_file(file):
            return
        if file.stat().st_mode & 0o077:
            raise WrongUse(
                "the secrets file can be read by others",
                where=str(file),
                state="untouched",
                todo=f"chmod 600 {shlex.quote(str(file))}",
            )
        self._values = parse_secrets(read_text(file), str(file))

    def get(self, name: str) -> str | None:
        """The value, or None."""
        return self._values.get(name)

    def put(self, name: str, value: str) -> None:
        """Write a value in the place of the one before; every other line stays as it is."""
        text = with_secret(read_text(self._file), name, value, self.where)
        try:
            replace_file(self._file, text.encode())
        except OSError as error:
            raise WrongUse(
                f"the secrets file cannot be written: {error.strerror}", where=self.where,
                state="untouched", todo="rotate it where the file belongs to you, with --here",
            ) from None  # fmt: skip
        self._values[name] = value


def of_this_process(name: str) -> str | None:
    """A secret's value as this process was given it; None where it was not."""
    value = ProcessEnvironment().get(name)
    return SecretsVariable().get(name) if value is None else value


def _of_this_machine(located: Located) -> dict[str, SecretSource]:
    """Where secrets are looked for here, in order, as people are told."""
    sources: dict[str, SecretSource] = {
        "variable of this process": ProcessEnvironment(), VARIABLE: SecretsVariable(),
    }  # fmt: skip
    if file := located.environment.secrets.file:
        sources["secrets file"] = SecretsFile(located.beside(file))
    return sources


def origins(located: Located) -> dict[str, str]:
    """Where each secret of an environment is found on this machine; no value."""
    sources = _of_this_machine(located)
    return {
        name: next((where for where, source in sources.items() if source.get(name) is not None),
                   "not on this machine")
        for name in located.environment.secret_names
    }  # fmt: skip


def writable(located: Located, name: str, extra: list[SecretSource]) -> WritableSource:
    """The place that a secret's value comes from; raises WrongUse where nothing can be written there."""
    environment, here = located.environment, _of_this_machine(located)
    for where, source in (*here.items(), *(("", each) for each in extra)):
        if source.get(name) is None:
            continue
        if isinstance(source, WritableSource):
            return source
        raise WrongUse(
            f"the value of {name} comes from {_of_the_caller(where, name)}, where it cannot be exchanged",
            where=f"environment {environment.name}", state="untouched",
            todo="unset it here where the environment's own file has the value too; else change it there, "
            f"then: homeguru deploy current --env {environment.name}",
        )  # fmt: skip
    raise WrongUse(
        f"secret {name} has no value yet", where=f"environment {environment.name}", state="untouched",
        todo=how_to_give(environment, [name], environment.secrets.file),
    )  # fmt: skip


def _of_the_caller(where: str, name: str) -> str:
    return f"variable {VARIABLE if where == VARIABLE else name} of this process"


def resolve(located: Located, extra: list[SecretSource] | None = None) -> dict[str, str]:
    """Look every name of the environment up; names without a value are left out.

    Sources in order: process environment, HOMEGURU_SECRETS, the file, then `extra` (Prefect blocks).
    """
    sources = [*_of_this_machine(located).values(), *(extra or [])]
    values: dict[str, str] = {}
    for name in located.environment.secret_names:
        for source in sources:
            value = source.get(name)
            if value is not None:
                values[name] = value
                break
    return values
