"""Reads what a Compose file's `configs` and `secrets` hold, from the files that it names."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from deployments.compose import configs as compose_configs
from deployments.compose.configs import LIMIT, document, filled, used, variable_of
from deployments.compose.stack import Stack
from deployments.errors import WrongUse
from infra.environment.compose_cli import compose_text, config_of, paths_of, stack_of
from infra.machine.files import replace_file


def with_configs(
    stack: Stack, file: Path, services: Collection[str], values: Mapping[str, str]
) -> Stack:
    """The stack with what its configs and secrets hold, so that one file reaches the server.

    file: where the stack's text was read. services: those that are deployed. values: variables and
    secrets. A path that begins with `/` or `~` is the server's own and stays one.
    Raises WrongUse naming all that cannot be read or cannot reach a container.
    """
    config = config_of(stack.text, str(file))
    beside = {
        kind: {n: path for n, path in paths.items() if n in used(config, services, kind) and _is_beside(path)}
        for kind, paths in paths_of(stack.text, str(file)).items()
    }  # fmt: skip
    _check(compose_configs.problems(config, services, beside), file)
    contents = _contents(beside["configs"], file)
    secrets = {name: variable_of(name) for name in beside["secrets"]}
    labels = compose_configs.labels(filled(config, contents, secrets), services, values)
    more = document(contents, secrets, labels)
    return stack_of(f"{stack.text.rstrip()}\n{more}", str(file)) if more else stack


def config_files(file: Path) -> list[Path]:
    """Files beside a Compose file that its configs name, where they are there."""
    paths = paths_of(compose_text(file), str(file))["configs"].values()
    files = {(file.parent / path).resolve() for path in paths if _is_beside(path)}
    return sorted(path for path in files if path.is_file())


class SecretFiles:
    """Secrets by the files that the Compose file names, where they lie on this machine."""

    def __init__(self, stack: Stack, file: Path) -> None:
        self.where = f"the file that {file.name} names for it"
        paths = paths_of(stack.text, str(file))["secrets"]
        self._files = {
            variable_of(name): file.parent / path
            for name, path in paths.items()
            if _is_beside(path)
        }

    def get(self, name: str) -> str | None:
        """The content as it is, or None. Raises WrongUse when others may read the file."""
        file = self._files.get(name)
        if file is None or not file.is_file():
            return None
        if file.stat().st_mode & 0o077:
            raise WrongUse(
                "the secret's file can be read by others", where=str(file), state="untouched",
                todo=f"chmod 600 {shlex.quote(str(file))}",
            )  # fmt: skip
        return _text(file)

    def put(self, name: str, value: str) -> None:
        """Write a value in the place of the one before, with the file's mode."""
        file = self._files[name]
        try:
            replace_file(file, value.encode(), file.stat().st_mode & 0o777)
        except OSError as error:
            raise WrongUse(
                f"the secret's file cannot be written: {error.strerror}", where=str(file),
                state="untouched", todo="rotate it where the file belongs to you, with --here",
            ) from None  # fmt: skip


def _contents(paths: Mapping[str, str], file: Path) -> dict[str, str]:
    files = {name: file.parent / path for name, path in paths.items()}
    _check(
        ((f"configs.{n}: there is no file {path}", "correct its `file`, which is relative to the Compose file")
         for n, path in files.items() if not path.is_file()), file,
    )  # fmt: skip
    return {name: _text(path) for name, path in files.items()}


def _text(file: Path) -> str:
    data = file.read_bytes()
    wrong = f"{len(data)} bytes, and {LIMIT} are carried" if len(data) > LIMIT else ""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text, wrong = "", wrong or "no text in UTF-8"
    if wrong or "\0" in text:
        raise WrongUse(
            f"a config or secret of the Compose file is {wrong or 'no text'}",
            where=str(file), state="untouched", todo="copy it into the image, or mount a volume that holds it",
        )  # fmt: skip
    return text


def _check(problems: Iterable[tuple[str, str]], file: Path) -> None:
    if listed := list(problems):
        raise WrongUse(
            "; ".join(what for what, _ in listed), where=str(file), state="untouched",
            todo="; ".join(dict.fromkeys(todo for _, todo in listed)),
        )  # fmt: skip


def _is_beside(path: str) -> bool:
    return not path.startswith(("/", "~", "$"))
