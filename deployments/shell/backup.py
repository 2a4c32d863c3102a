"""Backups of the database.

The dump is made and read by the database's own container: another version's pg_dump
refuses, or writes what this one cannot read. `HOMEGURU_RUN` is the run at work.
"""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.shell.postgres import On
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join


def back_up(
    on: On, described: str, verify: str, timeout: int, trial: str = "", owner: tuple[str, str] = ("", ""),
) -> Script:  # fmt: skip
    """Dump, read back, describe. Its result is the backup's id and size.

    described: one JSON line with `@ID@`, `@AT@`, `@RUN@`, `@SERVER@`, `@BYTES@`, `@SHA256@`
    and `@CONTENTS@` in it, which the host fills in. verify: `restore` also restores it, into
    a database that is dropped again. trial: a file of SQL on the host that is tried there,
    as owner: (role, secret's name).
    """
    drilled = functions("exchange") if verify == "restore" else ""
    named = [call("declare", f"owner={owner[0]}", f"owner_secret={owner[1]}")] if trial else []
    line = call("back_up", described, verify, trial)
    parts = (
        *on.functions(),
        functions("postgres_secret") if trial else "",
        drilled,
        *named,
        functions("backup"),
        line,
    )
    return Script(join(*parts), timeout=timeout)


def back_up_unless_empty(on: On, described: str, verify: str) -> str:
    """Shell text: a backup where the database is not empty, though that could not be observed."""
    drilled = functions("exchange") if verify == "restore" else ""
    back = call("back_up", described, verify, "")
    return join(
        *on.functions(),
        drilled,
        functions("backup", "backup_unless_empty"),
        f"if holds_tables; then {back}; fi",
    )


def place(environment: Environment, backup: str) -> Script:
    """Put a backup whose two files were copied to `backups/.<id>.*` among the others.

    Under these names neither a backup at work nor a list takes them for one, however long they
    are on their way; what a killed copy left there goes a day later.
    """
    line = call("place_backup", backup)
    return Script(join(prelude(environment), functions("backup_place"), line), timeout=90)


def settle(on: On | None, gone: list[str], made: str = "") -> Script:
    """After a recorded run: drop what a restore set aside, and backups past their policy.

    made: the run's own backup, for which the others go.
    """
    prune = call("prune_backups", made, *gone) if gone else ""
    if on is None:
        return Script(join(functions("backup_prune"), prune))
    return Script(
        join(*on.functions(), functions("exchange", "backup_prune"), "drop_databases_aside", prune)
    )
