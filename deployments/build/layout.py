"""What to say of a source that is laid out otherwise than the images expect."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence

from deployments.build.recipe import Recipe
from deployments.compose.stack import Stack
from deployments.environment.documents import ANOTHER_APPLICATION
from deployments.environment.schema import Environment
from deployments.errors import WrongUse

MIGRATIONS = "MIGRATIONS"
"""Build argument that names the folder of Alembic's migrations; empty means that there is none."""

_OTHER_LOCKS = {
    "uv.lock": (
        ("poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt"),
        "`uv lock` writes uv.lock of [project] in pyproject.toml",
    ),
    "pnpm-lock.yaml": (
        ("package-lock.json", "yarn.lock"), "`pnpm import` writes pnpm-lock.yaml of it",
    ),
}  # fmt: skip


def refusal(
    recipes: Sequence[Recipe], paths: Collection[str], environment: Environment, stack: Stack,
    alembic_ini: str,
) -> WrongUse | None:  # fmt: skip
    """Everything that the images of a source need and it lacks; None when nothing is missing.

    paths: all files of the source. alembic_ini: the text of the one at its root.
    """
    missing = {r.service: r.missing(paths, environment.build) for r in recipes}
    missing = {service: files for service, files in missing.items() if files}
    if not missing:
        return None
    hints = [
        *_of_migrations(missing, paths, stack, alembic_ini),
        *_of_locks(missing, paths),
        *_of_services(recipes, missing, environment),
        *_of_dockerfiles(missing, paths),
    ]
    otherwise = (
        f", or say in the environment what is otherwise: {'; '.join(hints)}" if hints else ""
    )
    return WrongUse(
        _lacking(missing, set(paths)), state="untouched",
        todo="is this the application's root, and are these files committed? Add what is missing"
        f"{otherwise}. {ANOTHER_APPLICATION} explains each",
    )  # fmt: skip


def dockerfiles(paths: Collection[str]) -> list[str]:
    """Dockerfiles of a source that build by themselves, the outermost first."""
    names = re.compile(r"(Dockerfile|Containerfile)([.-][\w.-]+)?|[\w.-]+\.(d|D)ockerfile")
    candidates = [p for p in paths if names.fullmatch(posixpath.basename(p))]
    candidates = [p for p in candidates if not p.endswith(".dockerignore")]
    return sorted(candidates, key=lambda p: (p.count("/"), p))


def dockerfile_line(service: str, file: str, context: str = ".", target: str = "") -> str:
    """A line of `[dockerfiles]`, as an environment has it."""
    key = service if re.fullmatch(r"[A-Za-z0-9_-]+", service) else json.dumps(service)
    if context in ("", ".") and not target:
        return f"{key} = {json.dumps(file)}"
    parts = {"file": file, "context": context, "target": target}
    inside = ", ".join(f"{name} = {json.dumps(value)}" for name, value in parts.items() if value)
    return f"{key} = {{ {inside} }}"


def _lacking(missing: Mapping[str, list[str]], files: set[str]) -> str:
    folders = {posixpath.dirname(path) for path in files}
    existing = files | {f for folder in folders for f in _upwards(folder)}

    def shown(path: str) -> str:
        return f"{path} (left out by the .dockerignore)" if path in existing else path

    lists = {service: ", ".join(map(shown, names)) for service, names in missing.items()}
    if len(lists) == 1:
        (service,) = lists
        return f"the image of {service} needs {lists[service]}, which the source lacks"
    needs = "; ".join(f"{service} needs {names}" for service, names in lists.items())
    return f"the source lacks what {len(lists)} images are made of: {needs}"


def _upwards(folder: str) -> list[str]:
    return [folder, *_upwards(posixpath.dirname(folder))] if folder else []


def _of_migrations(
    missing: Mapping[str, list[str]], paths: Collection[str], stack: Stack, alembic_ini: str
) -> list[str]:
    lacking = {path for files in missing.values() for path in files}
    if not lacking & {"alembic.ini", "migrations"}:
        return []
    named = re.search(r"^\s*script_location\s*=\s*(\S+)", alembic_ini, re.MULTILINE)
    folder = named[1].replace("%(here)s", ".") if named else ""
    folders = [posixpath.normpath(folder)] if folder else []
    folders += [posixpath.dirname(path) for path in sorted(paths) if path.endswith("/env.py")]
    candidates = [f for f in folders if f != "migrations" and f"{f}/env.py" in paths]
    if candidates:
        first = candidates[0]
        return [f'`{MIGRATIONS} = "{first}"` under [build] where {first}/ holds its migrations']
    without = f'`{MIGRATIONS} = ""` under [build] for an application without Alembic'
    if stack.deploy.migrate:
        without += f", with {stack.deploy.migrate.service} in leave_out under [services]"
    return [without]


def _of_locks(missing: Mapping[str, list[str]], paths: Collection[str]) -> list[str]:
    hints = []
    for path in dict.fromkeys(path for lacking in missing.values() for path in lacking):
        folder, name = posixpath.split(path)
        others, hint = _OTHER_LOCKS.get(name, ((), ""))
        present = [other for other in others if posixpath.join(folder, other) in paths]
        if present:
            hints.append(f"{present[0]} is there, and {hint}, or a Dockerfile of your own reads it")
    return hints


def _of_services(
    recipes: Sequence[Recipe], missing: Mapping[str, list[str]], environment: Environment
) -> list[str]:
    """Services of which nothing is there that is theirs alone."""
    needed = {r.service: {*r.needed(environment.build), *r.modules} for r in recipes}
    absent = []
    for service, own in needed.items():
        others = {p for other, wanted in needed.items() if other != service for p in wanted}
        exclusive = own - others
        if exclusive and exclusive <= set(missing.get(service, ())):
            absent.append(service)
    if not absent or len(absent) == len(needed):
        return []
    names = [*environment.services.leave_out, *absent]
    return [f"`leave_out = {json.dumps(names)}` under [services] where there is no such part"]


def _of_dockerfiles(missing: Mapping[str, list[str]], paths: Collection[str]) -> list[str]:
    own = dockerfiles(paths)
    if not own:
        return ["a Dockerfile of your own under [dockerfiles]"]
    line = dockerfile_line(next(iter(missing)), own[0])
    others = f" (there are also {', '.join(own[1:5])})" if own[1:] else ""
    return [f"`{line}` under [dockerfiles] to build by the application's own{others}"]
