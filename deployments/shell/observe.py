"""Reading a host: everything that a plan needs, in one script."""

from __future__ import annotations

from typing import Literal

from deployments.compose.stack import Stack, in_project
from deployments.database.login_roles import superuser_password
from deployments.environment.schema import Environment
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join

SecretsSource = Literal["keep", "discard", "former", "present"]


def observe(environment: Environment, stack: Stack) -> Script:
    """Read the host: facts, containers, images, files, ledger, database revision."""
    return Script(
        join(
            prelude(environment),
            functions("observe_emit", "observe_database", "observe"),
            _observed(environment, stack),
        )
    )


def look(environment: Environment, stack: Stack) -> Script:
    """Read the host as `observe` does, its record of the current release, its newest backup."""
    backup = "newest_backup" if environment.watch.backup_hours else ""
    observed = _observed(environment, stack)
    parts = (
        functions(
            "observe_emit", "observe_database", "observe", "observe_candidate", "observe_release"
        ),
        observed,
        call("emit_release", *made_with(stack)),
        backup,
    )
    return Script(join(prelude(environment), *parts))


def _observed(environment: Environment, stack: Stack) -> str:
    database = stack.deploy.database
    query: tuple[str, ...] = ("",)
    if database:
        texts = (database.superuser, database.name, *stack.places.get(database.service, ()))
        superuser, name, *places = (
            in_project(text, environment.project, environment.variables) for text in texts
        )
        query = (database.service, superuser, name, database.revision, *places)
    return call("observe_host", *query)


def read_candidate_script(
    environment: Environment, incoming: str, mode: SecretsSource, made: tuple[str, ...] = ()
) -> Script:
    """Ask Compose for each service's configuration hash under the files in `incoming`.

    Also fingerprints the secrets now in use and the ones to come. The interpolated
    configuration itself never leaves the host. mode: `keep` the files for a deploy,
    `discard` them after a plan, take the `former` secrets for an undo, or leave the
    `present` ones as they are on the host. made: the database's service and the variable of its
    first password, which is no reason for another container; or nothing.
    """
    return Script(
        join(
            prelude(environment),
            functions("observe_emit", "observe_candidate"),
            call("emit_candidate", incoming, mode, *made),
        )
    )


def made_with(stack: Stack) -> tuple[str, ...]:
    """The database's service and the variable of its first password; nothing where it has none."""
    variable, database = superuser_password(stack), stack.deploy.database
    return (database.service, variable) if database and variable else ()


def read_files(environment: Environment, paths: list[str]) -> Script:
    """Read some files below the environment's directory."""
    body = [call("emit_file", path, path) for path in paths]
    return Script(join(prelude(environment), functions("observe_emit"), *body))
