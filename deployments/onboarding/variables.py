"""Variables and secrets of a service: each value comes from the environment's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.compose.configs import variable_of
from deployments.compose.references import Reference, parse, references, variable_name
from deployments.environment import secret_kinds as secrets
from deployments.onboarding import addresses
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.bodies import environment_of, has_bare_names, written
from deployments.onboarding.env_files import say_unread
from deployments.onboarding.examples import NAME, holds_secret, inlined, text_of, value_of
from deployments.onboarding.facts import RepositoryFacts

_READ_BY_OTHERS = {"environment", "env_file", "secrets", "image", "build", "ports"}


def adapt_variables(
    known: RepositoryFacts, to: Adaptation, name: str, body: dict[str, Any]
) -> None:
    """Add those of one service to the adaptation."""
    _ServiceVariables(known, to, name, body).adapt()


def adapt_other_references(known: RepositoryFacts, to: Adaptation) -> None:
    """Add those that services name outside their `environment`, once everything else is adapted."""
    edited = {edit.path: edit.value for edit in to.edits}
    if renamed := sorted(known.found.renamed):
        capitals = ", ".join(map(variable_name, renamed))
        to.note(
            f"{', '.join(renamed)}: in the environment's file a name is of capitals: {capitals}"
        )
    for name, body in known.found.services.items():
        if ("services", name) in edited:
            continue
        for key in body.keys() - _READ_BY_OTHERS:
            for text in _texts(edited.get(("services", name, key), body[key])):
                _add_references(known, to, text)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value of a Compose file, keys too: a label's name may hold a reference."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _add_references(known: RepositoryFacts, to: Adaptation, text: str) -> None:
    for part in parse(text):
        if not isinstance(part, Reference) or not NAME.fullmatch(part.name):
            continue
        if part.name in known.passwords.accounts.values():
            to.secrets[part.name] = "random"
        elif other := known.passwords.same.get(part.name):
            to.secrets[part.name] = "asked"
            to.note(f"{part.name}: give it the value of {other}, as it has in your files")
        elif holds_secret(known, part.name):
            to.secrets[part.name] = secrets.kind_of(part.name)
        elif "-" not in part.how:
            to.variables.setdefault(part.name, value_of(known, part.name))
        elif addresses.is_laptop(part.name, part.word, known.ports):
            to.variables.setdefault(part.name, part.word)


class _ServiceVariables:
    def __init__(
        self, known: RepositoryFacts, to: Adaptation, name: str, body: dict[str, Any]
    ) -> None:
        self._known, self._found, self._passwords = known, known.found, known.passwords
        self._to, self._name, self._body = to, name, body

    def adapt(self) -> None:
        before = environment_of(self._body)
        values = {**self._of_files(), **before}
        after = {name: self._one_name(self._value(name, text)) for name, text in values.items()}
        for text in after.values():
            _add_references(self._known, self._to, text)
        self._commands()
        self._secrets()
        if "env_file" in self._body:
            self._to.change(self._name, "env_file", None, "its names stand under `environment`, its values in the environment's file")  # fmt: skip
        if after != before or has_bare_names(self._body):
            why = "each value comes from the environment's file; a secret from its own"
            self._to.change(self._name, "environment", after, why)

    def _commands(self) -> None:
        """A password in a command, as Redis takes it, is the same secret."""
        check = self._body.get("healthcheck")
        test = check.get("test") if isinstance(check, Mapping) else None
        for key, command in (("command", self._body.get("command")), ("healthcheck", test)):
            words = [written(w) for w in command] if isinstance(command, list) else str(command)
            replaced = (
                [self._one_name(self._passwords.in_command(word)) for word in words]
                if isinstance(words, list)
                else self._one_name(self._passwords.in_command(words))
            )
            if not command or replaced == words:
                continue
            value = replaced if key == "command" else {**dict(check or {}), "test": replaced}
            self._to.change(self._name, key, value, "a secret comes from its own file")

    def _of_files(self) -> dict[str, str]:
        """Variables of its env files; an address with a password that is known is not one more secret."""
        names = self._found.of_env_files(self._body)
        say_unread(self._found, self._to, self._name, self._body)
        own = self._found.examples_of(self._body)
        return {n: self._of_file(n, *own.get(n, (self._found.example(n), ""))) for n in names}

    def _of_file(self, name: str, example: str, path: str) -> str:
        """A reference, or the text itself: of an address whose password is known, or where another
        service's file gives the name another value.

        path: of the service's own file; empty where another one has the example.
        """
        if text := text_of(self._known, name, example):
            return text
        value = value_of(self._known, name, example)
        variable = variable_name(name)
        if not path or secrets.is_secret(name, value):
            return f"${{{variable}}}"
        if self._to.variables.setdefault(variable, value) == value:
            return f"${{{variable}}}"
        self._to.notes.append(f"{self._name}: {name} of {path} is another value elsewhere, and stands in the Compose file")  # fmt: skip
        return value.replace("$", "$$")

    def _one_name(self, text: str) -> str:
        """A text in which equal passwords have one name, and examples that name variables their place."""
        for name in references(text).keys() & self._passwords.same.keys():
            other = self._passwords.same[name]
            self._to.note(
                f"{name} has the value of {other} in your files: both are that one secret"
            )
        return inlined(self._known, text)

    def _value(self, name: str, value: str) -> str:
        """A literal secret becomes a reference, also as the password in an address."""
        known = self._passwords.in_addresses(value)
        if "$" in known or not value:
            return known
        secret = secrets.is_secret(name, value)
        if secret and value in self._passwords.literal:
            return f"${{{self._passwords.literal[value]}}}"
        variable = variable_name(name)
        if secret:
            return f"${{{variable}}}"
        if addresses.is_laptop(name, value, self._known.ports):
            # Another service's may have another value: then each keeps its own.
            if self._to.variables.setdefault(variable, value) == value:
                return f"${{{variable}}}"
            self._to.notes.append(
                f"{self._name}: {name} names localhost, and is another value elsewhere"
            )
        return value

    def _secrets(self) -> None:
        """Compose's own `secrets`: each has a variable, by which its value reaches the server."""
        defined = self._found.compose.get("secrets") or {}
        for entry in self._body.get("secrets") or ():
            name = str(entry.get("source", "") if isinstance(entry, Mapping) else entry)
            body = defined.get(name) or {}
            if variable := str(
                body.get("environment") or (variable_of(name) if body.get("file") else "")
            ):
                self._to.secrets[variable] = secrets.kind_of(variable)
