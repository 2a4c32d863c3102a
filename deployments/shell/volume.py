"""Looking into a database that has its data and no container: PostgreSQL starts on it for a moment."""

from __future__ import annotations

from deployments.shell.quote import Script, call, functions, join


def look_into(
    *, incoming: str, service: str, variable: str, image: str, healthy_within: int,
    database: tuple[str, str, str],
) -> Script:  # fmt: skip
    """Start the database's image on its data, query it as an observation does, and stop it again.

    database: (superuser, name, revision query). Its result is the answer.
    """
    line = call("look_into", incoming, service, variable, image, healthy_within, *database)
    return Script(
        join(functions("container", "observe_database", "volume"), line),
        timeout=healthy_within + 240,
    )
