"""Reading a Compose file with Compose itself."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from deployments.compose.checks import check
from deployments.compose.configs import KINDS
from deployments.compose.kept_folders import document, problems
from deployments.compose.privileges import check_privileges
from deployments.compose.reader import HERE, parse_stack
from deployments.compose.stack import Stack
from deployments.environment.schema import Environment
from deployments.errors import WrongUse
from infra.machine.files import is_file, read_text
from infra.machine.processes import Ended, run

ABOVE = 6
"""How many folders above the Compose file `..` may name and be known by its path."""

PROJECT = "homeguru-any-project"
"""Stands for an environment's project while Compose reads a file without one."""


def read_stack(file: Path) -> Stack:
    """Read a Compose file; raises WrongUse with Compose's own complaint."""
    return stack_of(compose_text(file), str(file))


def with_kept_volumes(stack: Stack, keep: Mapping[str, tuple[str, ...]], where: str) -> Stack:
    """The stack with the volumes that an environment asks for beside the Compose file's own."""
    if wrong := problems(keep, stack):
        raise WrongUse(
            f"`keep`: {'; '.join(wrong)}", where=where, state="untouched",
            todo="correct `keep` in the environment's file",
        )  # fmt: skip
    more = document(keep)
    return stack_of(f"{stack.text.rstrip()}\n{more}", where) if more else stack


def check_stack(file: Path, stack: Stack) -> None:
    """Raise WrongUse for what a release of these services would lose.

    stack: of that file, without what an environment leaves out.
    """
    where = str(file)
    config = config_of(compose_text(file), where)
    check(stack, config, where)
    _check_beside(file, stack, config)


def check_allowed(file: Path, stack: Stack, environment: Environment, named_in: Path) -> None:
    """Raise WrongUse for services that ask for power over the server which nobody allowed.

    named_in: the environment's file.
    """
    where = str(file)
    check_privileges(
        config_of(compose_text(file), where), stack.services, environment.privileges,
        environment.variables, environment.directory, (where, str(named_in)),
    )  # fmt: skip


def compose_text(file: Path) -> str:
    """A Compose file's text; raises WrongUse where there is none, or nobody may read it."""
    if not is_file(file):
        raise WrongUse(
            f"no Compose file {file}",
            state="untouched",
            todo="correct `compose` of the environment: it is relative to the TOML",
        )
    # As it is: Compose reads one with the mark of its encoding too, and digests are of the whole text.
    return read_text(file, encoding="utf-8")


def _check_beside(file: Path, stack: Stack, config: dict[str, Any]) -> None:
    """Raise WrongUse for files beside the Compose file: they do not reach the server."""
    edge = stack.deploy.edge.service if stack.deploy.edge else ""
    for name in stack.services:
        body = config["services"][name]
        binds = [v for v in body.get("volumes") or [] if isinstance(v, dict)]
        # A folder that is written to is the server's own, whatever a try left here.
        beside = [
            str(bind["source"])
            for bind in binds
            if str(bind.get("source", "")).startswith(HERE)
            and name != edge
            and _exists(
                file.parent / str(bind["source"])[len(HERE) :],
                or_folder=bind.get("read_only", False),
            )
        ]
        if not (_env_files(file, body) or beside):
            continue
        what = f"`.{beside[0][len(HERE) - 1 :]}`, a file beside" if beside else "`env_file`, with"
        raise WrongUse(
            f"service {name} wants {what} the Compose file: only that one and its variables reach "
            "the server", where=str(file), state="untouched",
            todo="copy the file into its image" if beside
            else "name the variables under `environment`, their values in [variables] and [secrets]",
        )  # fmt: skip


def _env_files(file: Path, body: dict[str, Any]) -> bool:
    """Whether values of a file would be missing: of one that need not be there, where it is."""
    entries = body.get("env_file") or []
    return any(
        not isinstance(entry, dict)
        or entry.get("required", True)
        or (file.parent / str(entry["path"]).removeprefix(HERE)).is_file()
        for entry in entries
    )


def _exists(path: Path, *, or_folder: bool) -> bool:
    return path.is_file() or (or_folder and path.is_dir())


def config_of(text: str, where: str) -> dict[str, Any]:
    """Compose's own form of a Compose file's text, with variables as they stand."""
    return _config_of(text, where)[0]


def stack_of(text: str, where: str) -> Stack:
    """Read a Compose file's text, for instance a former release's."""
    config, named = _config_of(text, where)
    return parse_stack(text, config, where, named)


@lru_cache(maxsize=16)
def paths_of(text: str, where: str) -> dict[str, dict[str, str]]:
    """Under `configs` and `secrets`: name to the path of its file, as the Compose file has it."""
    config = config_of(text, where)
    if any(
        (body or {}).get("file") for kind in KINDS for body in (config.get(kind) or {}).values()
    ):
        with _asking_compose(text) as (compose, _):
            completed = run(
                *compose, "--no-interpolate", "--no-path-resolution", "--format", "json"
            )
        config = json.loads(completed.stdout)
    return {
        kind: {
            n: str(b["file"]) for n, b in (config.get(kind) or {}).items() if (b or {}).get("file")
        }
        for kind in KINDS
    }


@lru_cache(maxsize=16)
def _compose_output(text: str) -> tuple[Ended, Ended, str]:
    """Compose's form of a text, its variables, and the folder of the copy: asked once a text."""
    with _asking_compose(text) as (compose, folder), ThreadPoolExecutor(1) as beside:
        variables = beside.submit(run, *compose, "--variables")
        config = run(*compose, "--no-interpolate", "--format", "json")
        return config, variables.result(), folder


@lru_cache(maxsize=16)
def _config_of(text: str, where: str) -> tuple[dict[str, Any], frozenset[str]]:
    """Its form with variables as they stand, and the variables that Compose finds in it."""
    completed, named, folder = _compose_output(text)
    if completed.code != 0:
        complaint = completed.stderr.strip().replace(folder, ".")[-500:]
        raise WrongUse(
            f"Compose cannot read it: {complaint}", where=where, state="untouched",
            todo="one file alone reaches the server: `docker compose config` writes one of what "
            "it includes or extends" if "no such file" in complaint
            else "correct that in the file; `docker compose config` beside it says the same",
        )  # fmt: skip
    if named.code != 0:
        raise WrongUse(
            f"Compose does not list its variables: {named.stderr.strip()[-300:]}", where=where,
            state="untouched", todo="upgrade the Compose plugin of this machine to 2.26 or newer",
        )  # fmt: skip
    # Names that Compose makes of the project's are the environment's.
    config = completed.stdout.replace(f"{PROJECT}_", "${COMPOSE_PROJECT_NAME}_")
    form = cast("dict[str, Any]", json.loads(_beside_the_file(config, folder)))
    return form, _names(named.stdout)


@contextmanager
def _asking_compose(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """`docker compose config` of a copy of the text, and the copy's folder.

    It lies deep in a folder of its own, so that what `..` names is known by its path too.
    """
    with tempfile.TemporaryDirectory(prefix="homeguru-compose-") as root:
        folder = str(Path(root, *"abcdefgh"[:ABOVE]))
        Path(folder).mkdir(parents=True)
        copy = Path(folder) / "compose.yml"
        copy.write_text(text)
        yield (
            ("docker", "compose", "-p", PROJECT, "-f", str(copy), "--profile", "*", "config"),
            folder,
        )


def _beside_the_file(config: str, folder: str) -> str:
    """The folder of the copy, what is below it and above it, as the file's own; what is built as it was written."""

    def relative(match: re.Match[str]) -> str:
        return f"{match[1]}{json.dumps(os.path.relpath(match[2], folder))}"

    built = re.sub(r'("context": )"(/[^"]*)"', relative, config)
    own, up = Path(folder), HERE
    for above in (own, *own.parents[:ABOVE]):
        built = built.replace(f"{above}/", up).replace(f'"{above}"', f'"{up}"')
        up += "../"
    return built


def _names(table: str) -> frozenset[str]:
    """The first column of `config --variables`, whose first line is a heading.

    An escaped dollar sign is listed too, as a variable without a name.
    """
    rows = table.splitlines()[1:]
    return frozenset(match[0] for row in rows if (match := re.match(r"[A-Za-z_]\w*", row)))
