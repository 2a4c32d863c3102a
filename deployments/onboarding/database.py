"""The application's PostgreSQL, as a release has to know it to back it up, migrate it and restore it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.bodies import POSTGRES, environment_of, values_of, waits_for
from deployments.onboarding.passwords import Passwords
from deployments.onboarding.repository import Repository

_OTHERS = re.compile(
    r"(^|/)(mysql|mysql-server|mariadb|percona|percona-server|mongo|mongodb|mongodb-community-server|couchdb|cassandra|"
    r"scylla|cockroach|neo4j|influxdb|clickhouse|clickhouse-server|arangodb|surrealdb|mssql/server)([:@]|$)"
)
"""Images of databases other than PostgreSQL. Elasticsearch and the like hold copies of what lies elsewhere."""
PROFILE = "migrate"
"""Of a service that only a release runs."""


@dataclass(frozen=True)
class Framework:
    """What migrates. sign: in a command. revision: SQL that says how far a database is."""

    sign: str
    revision: str


FRAMEWORKS = (
    Framework("alembic upgrade", "SELECT version_num FROM alembic_version"),
    Framework("manage.py migrate", "SELECT max(id)::text FROM django_migrations"),
)
UNVERSIONED = "SELECT 'unversioned'"
"""The revision where nothing that is known here migrates: always the same, since only a database
with one is backed up and restored."""


def describe_database(found: Repository, to: Adaptation, passwords: Passwords) -> None:
    """Say which database it is, where there is one; else nothing is backed up, which is said."""
    _say_others(found, to)
    names = [
        n for n, b in found.services.items()
        if POSTGRES.search(str(b.get("image", ""))) and not b.get("profiles")
    ]  # fmt: skip
    if not names:
        return
    service = names[0]
    values = values_of(found, found.services[service])
    users = [user for at, user in passwords.accounts if at == service]
    user = values.get("POSTGRES_USER", "postgres")
    name = values.get("POSTGRES_DB", user)
    if why := _obscure(found, names, users, name):
        to.notes.append(
            f"{', '.join(names)}: no release backs it up, since {why}; `database` under x-deploy describes one"
        )
        return
    role = {"role": user, "password": passwords.accounts[service, users[0]]}
    to.database = {
        "service": service, "superuser": user, "name": name, "owner": role, "application": role,
        "revision": UNVERSIONED,
    }  # fmt: skip


def _say_others(found: Repository, to: Adaptation) -> None:
    """Note the databases that no release backs up, whatever is said of them."""
    names = [n for n, body in found.services.items() if _OTHERS.search(found.image(body))]
    if names:
        to.notes.append(
            f"{', '.join(names)}: no release backs it up, since backups are of PostgreSQL alone: its volume is kept, "
            "and copies of it are yours to make"
        )


def _obscure(found: Repository, names: list[str], users: list[str], name: str) -> str:
    """Why it is not known which database is the application's; empty where it is."""
    if len(names) > 1:
        return "there are several"
    if len(users) != 1:
        return "its password is not in the Compose file"
    body = found.services[names[0]]
    hosts = [names[0], *(str(body[k]) for k in ("container_name", "hostname") if body.get(k))]
    host = "|".join(map(re.escape, hosts))
    address = re.compile(rf"://[^\s/@]+@(?:{host})(?::\d+)?/([^\s?\"']+)")
    texts = [text for body in found.services.values() for text in environment_of(body).values()]
    used = {match[1] for text in texts for match in address.finditer(text)} - {name}
    return f"{', '.join(sorted(used))} is used, and its image makes {name}" if used else ""


def framework_of(command: Any) -> Framework | None:
    """What a command migrates with."""
    text = " ".join(words_of(command))
    return next((each for each in FRAMEWORKS if each.sign in text), None)


def words_of(command: Any) -> list[str]:
    """A command as words, in whichever form it is written; none of one that cannot be read."""
    if not isinstance(command, str):
        return [str(word) for word in command or ()]
    try:
        return shlex.split(command)
    except ValueError:
        return []


def take_migration(
    found: Repository, to: Adaptation, images: Mapping[str, str], once: set[str]
) -> None:
    """A service of the file that only migrates becomes the one that a release runs when it is due.

    Left as it is, an earlier release's would run on the way back, on a schema that it does not know.
    once: services that end by themselves.
    """
    for name in sorted(once) if to.database else []:
        body = found.services[name]
        alike = [n for n in found.services if images[n] == images[name] and n not in once]
        if framework_of(body.get("command")) is None or not alike:
            continue
        if {"entrypoint", "profiles"} & body.keys():
            continue
        why = "a release runs it when it is due, after a backup, and never on the way back"
        to.change(name, "profiles", [PROFILE], why)
        for other, its in found.services.items():
            if name in waits_for(its):
                rest = _without(its["depends_on"], name)
                to.change(other, "depends_on", rest, f"a release runs {name} before it")
        describe_migration(found, to, name, alike[0], body["command"])
        return


def _without(given: Any, name: str) -> Any:
    """`depends_on` without one service; None where nothing is left."""
    if isinstance(given, Mapping):
        return {n: how for n, how in given.items() if n != name} or None
    return [n for n in given if n != name] or None


def describe_migration(
    found: Repository, to: Adaptation, service: str, image_of: str, command: Any
) -> None:
    """Say what migrates, and how it goes back, where that can be known."""
    framework, words = framework_of(command), words_of(command)
    assert framework is not None
    to.database["revision"] = framework.revision
    to.migrate |= {"service": service, "image_of": image_of, "command": words}
    if words[-2:] not in (["upgrade", "head"], ["upgrade", "heads"]):
        return
    alembic = words[:-2]
    to.migrate["downgrade"] = [*alembic, "downgrade", "{to}"]
    if _prints_sql(found):
        to.migrate["sql"] = [*alembic, "upgrade", "{from}:head", "--sql"]
        to.migrate["downgrade_sql"] = [*alembic, "downgrade", "{from}:{to}", "--sql"]


def _prints_sql(found: Repository) -> bool:
    """Whether its env.py knows Alembic's offline mode: many are without."""
    return any(
        re.search(r"(^|/)env\.py$", path) and "is_offline_mode" in text
        for path, text in found.texts.items()
    )
