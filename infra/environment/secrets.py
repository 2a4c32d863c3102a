"""Secrets by name: process environment, the environment's 0600 file, Prefect blocks."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Protocol

from deployments.compose.variables import parse_secrets
from deployments.errors import WrongUse
from infra.environment.locate import Located


class SecretSource(Protocol):
    """Somewhere a secret may be found by its name."""

    def get(self, name: str) -> str | None:
        """The value, or None when this source does not have it."""


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
        self.values = parse_secrets(os.environ.get(VARIABLE, ""), VARIABLE)

    def get(self, name: str) -> str | None:
        """The value, or None; `init` leaves a line without one where nobody has given it yet."""
        return self.values.get(name) or None


class SecretsFile:
    """A file of `NAME=value` lines that only its owner may read."""

    def __init__(self, file: Path) -> None:
        self._values: dict[str, str] = {}
        if not file.is_file():
            return
        if file.stat().st_mode & 0o077:
            raise WrongUse(
                "the secrets file can be read by others",
                where=str(file),
                state="untouched",
                todo=f"chmod 600 {shlex.quote(str(file))}",
            )
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            # Where, and not what: the bytes may be a secret's.
            raise WrongUse(
                f"not UTF-8, at byte {error.start}", where=str(file), state="untouched",
                todo="save it as UTF-8",
            ) from None  # fmt: skip
        self._values = parse_secrets(text, str(file))

    def get(self, name: str) -> str | None:
        """The value, or None."""
        return self._values.get(name)


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
