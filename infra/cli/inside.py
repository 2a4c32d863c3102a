"""exec and psql: a person's own command in a service's container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import completion
from infra.cli.options import Env

if TYPE_CHECKING:
    from infra.environment.context import Assembly

Service = Annotated[
    str, typer.Argument(help="Service of the Compose file.", autocompletion=completion.services)
]
Words = Annotated[list[str], typer.Argument(help="The command, after --.")]
Query = Annotated[str, typer.Option("--command", "-c", help="Run one statement, and end.")]


def execute(service: Service, words: Words, env: Env) -> None:
    """Run a command in a service's container."""
    from infra.environment.context import assemble

    assembly = assemble(env)
    assembly.check_service(service)
    raise typer.Exit(_run(assembly, service, words))


def psql(env: Env, query: Query = "") -> None:
    """Open psql on the environment's database, as its superuser."""
    from infra.environment.context import assemble

    assembly = assemble(env)
    database = assembly.stack.deploy.database
    if database is None:
        from deployments.compose.extension import no_database

        located = assembly.located
        raise no_database(str(located.compose_file), "unchanged", located.environment.name)
    from deployments.compose.references import interpolate

    variables = assembly.located.environment.variables
    user, name = (interpolate(text, variables) for text in (database.superuser, database.name))
    words = ["psql", "-U", user, "-d", name, *(["-c", query] if query else [])]
    raise typer.Exit(_run(assembly, database.service, words))


def _run(assembly: Assembly, service: str, words: list[str]) -> int:
    from deployments.shell.inside import command_line
    from infra.ssh.terminal import has_terminal, run_at_terminal

    located = assembly.located
    environment = located.environment
    line = command_line(environment, service, words, terminal=has_terminal())
    return run_at_terminal(environment.host, located.key_file, line, environment.ssh)
