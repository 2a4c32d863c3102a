"""A migration that lies in the repository and that nothing runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployments.onboarding.adaptation import Adaptation, Edit
from deployments.onboarding.bodies import build_of, condition_for, environment_of, waits_for
from deployments.onboarding.repository import Repository

_MIGRATIONS = (
    ("alembic.ini", ["alembic", "upgrade", "head"], "alembic"),
    ("manage.py", ["python", "manage.py", "migrate", "--noinput"], "manage.py migrate"),
    ("prisma/schema.prisma", ["npx", "prisma", "migrate", "deploy"], "prisma migrate"),
)


def add_migrations(found: Repository, to: Adaptation, images: Mapping[str, str]) -> None:
    """A service that migrates once in each release, where nothing of the application does."""
    for name in to.dockerfiles:
        body = found.services[name]
        context = build_of(body)[0]
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
            to.edits.append(Edit(("services", "migrate"), migrate, why))
            after = {n: condition_for(found, n) for n in waits_for(body)}
            given = body.get("depends_on")
            after |= dict(given) if isinstance(given, Mapping) else {}
            after["migrate"] = {"condition": "service_completed_successfully"}
            to.change(name, "depends_on", after, "the migration comes first")
            return


def _mentions(found: Repository, sign: str) -> bool:
    """Whether a Dockerfile, a script or a command of the Compose file migrates already."""
    texts = [t for p, t in found.texts.items() if p.endswith((".sh", "Dockerfile", "Makefile"))]
    commands = [str(b.get(k, "")) for b in found.services.values() for k in ("command", "entrypoint")]  # fmt: skip
    plain = re.sub(r"[\s\"',\[\]]+", " ", "\n".join([*texts, *commands]))
    return sign in plain if sign != "alembic" else "alembic upgrade" in plain
