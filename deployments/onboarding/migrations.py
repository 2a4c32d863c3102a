"""A migration that lies in the repository and that nothing runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.onboarding.adaptation import Adaptation, Edit
from deployments.onboarding.bodies import build_of, condition_for, environment_of, waits_for
from deployments.onboarding.database import PROFILE, describe_migration, framework_of
from deployments.onboarding.repository import Repository

_MIGRATIONS = (
    ("alembic.ini", ["alembic", "upgrade", "head"], "alembic"),
    ("manage.py", ["python", "manage.py", "migrate", "--noinput"], "manage.py migrate"),
    ("prisma/schema.prisma", ["npx", "prisma", "migrate", "deploy"], "prisma migrate"),
)

_MIGRATES = re.compile(
    r"alembic upgrade|manage\.py migrate|prisma (migrate deploy|db push)|knex migrate|sequelize(-cli)? db:migrate|"
    r"typeorm migration:run|drizzle-kit (migrate|push)|flask db upgrade|(rails|rake) db:(migrate|prepare)|aerich upgrade|"
    r"(npm|pnpm|yarn|bun) (run )?(?!\S*(start|serve))[\w:-]*migrat[\w:-]*|(node|python3?|tsx|ts-node|bun) \S*migrat\S*"
)


def waited_for(found: Repository) -> set[str]:
    """Services whose end others wait for, as the file says."""
    return {
        str(name)
        for body in found.services.values()
        if isinstance(body.get("depends_on"), Mapping)
        for name, how in body["depends_on"].items()
        if isinstance(how, Mapping) and how.get("condition") == "service_completed_successfully"
    }


def ends_by_itself(found: Repository) -> set[str]:
    """Services that are there to migrate and start no server after it."""
    return {
        name for name, body in found.services.items() if "build" in body and _only_migrates(body)
    }


def _only_migrates(body: Mapping[str, Any]) -> bool:
    lines = _lines(body.get("entrypoint"), body.get("command"))
    last = next((n for n in reversed(range(len(lines))) if _MIGRATES.search(lines[n])), None)
    if last is None or lines[last + 1 :]:
        return False
    after = [*_MIGRATES.finditer(lines[last])][-1].end()
    return not re.search(r"&|\||;|\bexec\b", lines[last][after:])


def wait_for_migrations(found: Repository, to: Adaptation, images: Mapping[str, str]) -> None:
    """Whoever depends on a service that only migrates starts after its end; who runs its image, too."""
    for once in sorted(ends_by_itself(found) - waited_for(found) - {to.migrate.get("service")}):
        named = [n for n, body in found.services.items() if once in waits_for(body)]
        alike = [n for n in found.services if images[n] == images[once] and n != once]
        for name in named or alike:
            body = found.services[name]
            given = body.get("depends_on")
            after = {n: condition_for(found, n) for n in waits_for(body)}
            after |= dict(given) if isinstance(given, Mapping) else {}
            after[once] = {"condition": "service_completed_successfully"}
            to.change(
                name, "depends_on", after, f"{once} migrates and ends, and {name} starts after that"
            )


def add_migrations(found: Repository, to: Adaptation, images: Mapping[str, str]) -> None:
    """A service that migrates once in each release, where nothing of the application does.

    Where the database is described, a release runs it when it is due.
    """
    for name in to.dockerfiles:
        body = found.services[name]
        context = build_of(found, body)[0]
        for file, command, sign in _MIGRATIONS:
            path = file if context == "." else f"{context}/{file}"
            if path not in found.files or _mentions(found, sign) or "migrate" in found.services:
                continue
            environment = next(
                (e.value for e in to.edits if e.path == ("services", name, "environment")),
                environment_of(body),
            )  # fmt: skip
            waits = {n: condition_for(found, n) for n in waits_for(body) if n in to.infrastructure}
            migrate = {
                "image": f"${{{images[name]}}}", "command": command, "restart": "no",
                "environment": dict(environment), "depends_on": waits,
            }  # fmt: skip
            if "networks" in body:
                migrate["networks"] = body["networks"]
            why = f"{path} is there and nothing runs it: once in each release, before {name}"
            if to.database and framework_of(command):
                migrate["profiles"] = [PROFILE]
                del migrate["depends_on"]
                describe_migration(found, to, "migrate", name, command)
                to.edits.append(Edit(("services", "migrate"), migrate, why))
                return
            to.edits.append(Edit(("services", "migrate"), migrate, why))
            after = {n: condition_for(found, n) for n in waits_for(body)}
            given = body.get("depends_on")
            after |= dict(given) if isinstance(given, Mapping) else {}
            after["migrate"] = {"condition": "service_completed_successfully"}
            to.change(name, "depends_on", after, "the migration comes first")
            return


def _mentions(found: Repository, sign: str) -> bool:
    """Whether what runs migrates already: a Dockerfile, a command, or a script that one of them names."""
    named = {posixpath.basename(path): text for path, text in found.texts.items()}
    dockerfiles = [text for name, text in named.items() if name.startswith("Dockerfile")]
    commands = [b.get(k) for b in found.services.values() for k in ("command", "entrypoint")]
    plain = _plain(*dockerfiles, *commands)
    plain += _plain(*(t for name, t in named.items() if name.endswith(".sh") and name in plain))
    return sign in plain if sign != "alembic" else "alembic upgrade" in plain


def _lines(*commands: Any) -> list[str]:
    """The lines of a script in a command, each as words with a space between; one line where it is none."""
    words = [w for each in commands for w in (each if isinstance(each, list) else [each or ""])]
    script = " ".join(str(word) for word in words).replace("\\\n", " ")
    lines = (_plain(line) for line in script.split("\n") if not line.lstrip().startswith("#"))
    return [line for line in lines if line.strip()]


def _plain(*commands: Any) -> str:
    """Commands as words with a space between, in whichever form they are written."""
    return re.sub(r"[\s\"',\[\]]+", " ", "\n".join(str(each or "") for each in commands))
