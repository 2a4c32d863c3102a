"""What lies in an application's repository."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from os.path import lexists
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deployments.compose.env_file import parse_developers
from deployments.compose.references import in_capitals
from deployments.errors import WrongUse
from deployments.onboarding.overrides import check_whole
from deployments.onboarding.repository import Repository
from infra.machine.files import read_text
from infra.machine.processes import run

COMPOSE_FILES = (
    "compose.production.yml", "compose.production.yaml", "compose.prod.yml", "compose.prod.yaml",
    "docker-compose.production.yml", "docker-compose.prod.yml", "compose.yaml", "compose.yml",
    "docker-compose.yaml", "docker-compose.yml",
)  # fmt: skip
"""Which is taken, where there are several: one for production before the one for development."""

FOLDERS = ("docker", "deploy", "deployment", "compose", "infra", ".docker")
"""Where it is looked for as well, when the root has none."""

_CODE = (".py", ".ts", ".tsx", ".js", ".mjs", ".go", ".rb", ".php", ".sh")
_LARGEST = 200_000
_MOST = 2_000
"""Files that are read: a health route or a migration stands in the first ones."""

_LEFT_OUT = {"node_modules", ".git", ".venv", "venv", "__pycache__", "dist", "build", ".next"}


def read_repository(root: Path, compose_file: str = "") -> Repository:
    """Read it; compose_file: which one, empty for the likeliest. Raises WrongUse for one that is none."""
    files = frozenset(_files(root))
    usual = [*COMPOSE_FILES, *(f"{folder}/{name}" for folder in FOLDERS for name in COMPOSE_FILES)]
    chosen = compose_file or next((path for path in usual if path in files), "")
    chosen = os.path.relpath(root / chosen, root) if chosen else ""
    if chosen.startswith(".."):
        raise WrongUse(
            f"the Compose file {compose_file} lies outside of the repository", where=str(root),
            state="untouched", todo="name one that is committed here",
        )  # fmt: skip
    compose, renamed = _parsed(root / chosen) if chosen else ({}, frozenset())
    check_whole(chosen, compose, _beside(root, chosen))
    usual_ones = _read_env_files(root, _env_files(root, files, Path(chosen).parent))
    found = Repository(
        name=root.resolve().name, files=files, compose_file=chosen, compose=compose,
        texts=_texts(root, files), env_files=usual_ones[0], unread=usual_ones[1], renamed=renamed,
    )  # fmt: skip
    every = {*found.env_files, *_named_env_files(root, found)}
    env_files, unread = _read_env_files(root, every)
    return replace(found, env_files=env_files, unread=unread)


def _files(root: Path) -> Iterator[str]:
    """What Git has; without Git, every file but what is installed or built."""
    listed = run("git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard")  # fmt: skip
    if listed.code == 0:
        # One that was renamed or deleted is listed until that is staged.
        yield from (name for name in listed.stdout.split("\0") if name and lexists(root / name))
        return
    for file in sorted(root.rglob("*")):
        inside = file.relative_to(root)
        if file.is_file() and not _LEFT_OUT & set(inside.parts):
            yield inside.as_posix()


def _beside(root: Path, chosen: str) -> dict[str, Any]:
    """Other Compose files of its folder that can be read, that of every day before one for production."""
    found = {}
    for name in reversed(COMPOSE_FILES):
        path = (Path(chosen).parent / name).as_posix()
        if path != chosen and (root / path).is_file():
            with suppress(WrongUse):
                found[path] = _yaml(root / path, read_text(root / path))
    return found


def _yaml(file: Path, text: str) -> Any:
    try:
        # libyaml, which is the default, refuses what Compose reads: `ports: [8080:80]`.
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise WrongUse(
            f"not valid YAML: {' '.join(str(error).split())[:300]}", where=str(file), state="untouched",
            todo="correct it: docker compose config, beside it, says the same",
        ) from None  # fmt: skip


def _parsed(file: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """Its content with names that an environment's variables can have, and those that it had before."""
    if not file.is_file():
        raise WrongUse(f"no Compose file {file}", state="untouched", todo="correct --compose")
    text = read_text(file)
    data = _yaml(file, text)
    if isinstance(data, dict) and (parts := _put_together(data)):
        raise WrongUse(
            f"init reads services whole, and not what only Compose puts together: {', '.join(parts)}",
            where=str(file), state="untouched",
            todo="make one file of it, beside it: docker compose config --no-interpolate "
            "--no-path-resolution > compose.production.yml; then name that one: --compose compose.production.yml",
        )  # fmt: skip
    if not isinstance(data, dict) or not isinstance(data.get("services"), dict):
        raise WrongUse(
            "it has no services", where=str(file), state="untouched",
            todo="name another one: --compose FILE",
        )  # fmt: skip
    changed, renamed = in_capitals(text)
    # One that is deployed as it stands is not written anew.
    return (data, frozenset()) if "x-deploy" in data else (_yaml(file, changed), renamed)


def _put_together(data: dict[str, Any]) -> list[str]:
    """Keys by which Compose would read another file, or another service."""
    services = data.get("services")
    bodies = services.items() if isinstance(services, dict) else ()
    extended = [
        f"services.{n}.extends" for n, b in bodies if isinstance(b, dict) and "extends" in b
    ]
    return [*(["include"] if data.get("include") else []), *extended]


def _texts(root: Path, files: frozenset[str]) -> dict[str, str]:
    wanted = [
        f for f in sorted(files)
        if f.endswith(_CODE) or Path(f).name.startswith(("Dockerfile", "Makefile"))
    ][:_MOST]  # fmt: skip
    return {
        f: (root / f).read_text(errors="replace")
        for f in wanted
        if (root / f).is_file() and (root / f).stat().st_size < _LARGEST
    }


def _env_files(root: Path, files: frozenset[str], beside: Path) -> set[str]:
    """Env files by their usual names, also those that Git leaves out. beside: the Compose file's folder."""
    places = [*root.glob(".env*"), *(root / beside).glob(".env*")]
    named = [f for f in files if Path(f).name.startswith(".env") or f.endswith(".env.example")]
    every = {*(p.relative_to(root).as_posix() for p in places), *named}
    return {path for path in every if (root / path).is_file()}


def _named_env_files(root: Path, found: Repository) -> Iterator[str]:
    """Env files that services name, whatever they are called, and the examples of these."""
    for body in found.services.values():
        for named in found.env_files_of(body):
            if not named.outside:
                yield from (path for path in named.candidates if (root / path).is_file())


def _read_env_files(
    root: Path, paths: Collection[str]
) -> tuple[dict[str, dict[str, str]], dict[str, list[int]]]:
    """Variables of each, and lines that give nothing a value; examples come first."""
    env_files, unread = {}, {}
    for path in sorted(paths, key=lambda f: (not f.endswith("example"), f)):
        # Of an editor in another encoding the names can be read all the same.
        text = read_text(root / path, errors="replace")
        env_files[path], unread[path] = parse_developers(text)
    return env_files, unread
