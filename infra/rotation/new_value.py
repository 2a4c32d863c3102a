"""Another value for one secret, where that is kept: put there before the server gets it.

At every moment the place holds a value that the server has, or gets with the next run: a run that is
killed leaves nothing but that. Where the value did not come into effect, the one before comes back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from deployments.compose.variables import configuration
from deployments.database.login_roles import superuser_password
from deployments.environment.secret_kinds import DEPLOY_KEY, is_a_servers, kind_of
from deployments.errors import HomeguruError, WrongUse
from infra.environment.context import Assembly
from infra.environment.secrets import SecretSource, WritableSource, writable
from infra.machine.signals import shielded
from infra.machine.sinks import hide
from infra.rotation.given import given
from infra.rotation.kept import KeptValue


def makes_itself(assembly: Assembly, name: str) -> bool:
    """Whether anybody may make its value up: nobody else gave it out, or has to be told of it."""
    stack = assembly.stack
    if name in stack.passwords | {superuser_password(stack)}:
        return True
    containers = name in assembly.located.environment.secrets.names
    return containers and kind_of(name) == "random" and not is_a_servers(name)


@contextmanager
def exchanged(
    assembly: Assembly, name: str, extra: list[SecretSource], say: Callable[[str], None]
) -> Iterator[None]:
    """Put another value in the place of a secret's; back again where what is done meanwhile fails.

    Before anything is written it raises WrongUse for a name or a value that is none, and Locked where
    another process is about the same secret.
    """
    check_name(assembly, name)
    kept = KeptValue(assembly.located, name)
    with kept.alone():
        source = writable(assembly.located, name, extra)
        _put(assembly, name, source, kept, say)
        try:
            yield
        except BaseException as failure:
            with shielded():
                _back(source, kept, name, failure)
            raise
        kept.remove()


def _put(
    assembly: Assembly,
    name: str,
    source: WritableSource,
    kept: KeptValue,
    say: Callable[[str], None],
) -> None:
    """Another value is there afterwards: a new one, or the one of a rotation that was killed."""
    present = source.get(name)
    assert present is not None, "writable() found it there"
    begun, new = kept.read(), given(name)
    if begun and begun.before != present and new in (None, present):
        hide([begun.before])
        say(f"a rotation of {name} of {begun.at} did not end: going on with its value")
    else:
        new = _new(assembly, name) if new is None else new
        check_value(assembly, name, new, present)
        before = begun.before if begun else present
        hide([before, new])
        kept.write(before)
        source.put(name, new)
        say(f"{name}: another value is in {source.where}")


def _back(source: WritableSource, kept: KeptValue, name: str, failure: BaseException) -> None:
    begun = kept.read()
    if begun is None:
        return
    source.put(name, begun.before)
    kept.remove()
    if isinstance(failure, HomeguruError):
        back = f"the value of {name} is the one of before again, in {source.where}"
        failure.state = f"{failure.state}; {back}" if failure.state else back


def _new(assembly: Assembly, name: str) -> str:
    if not makes_itself(assembly, name):
        environment = assembly.located.environment.name
        why, first = "is given out by somebody else", "have a new one issued"
        if is_a_servers(name):
            why, first = (
                "may be in the data of a server, which no deploy changes",
                "change it there",
            )
        raise WrongUse(
            f"{name} {why}, so its new value cannot be made up",
            where=f"environment {environment}", state="untouched",
            todo=f"{first}, then: homeguru rotate {name} --env {environment} --here --value-file FILE "
            "(- reads standard input)",
        )  # fmt: skip
    # No character of it means anything to a shell, in a URL or in a file.
    return secrets.token_urlsafe(32)


def check_name(assembly: Assembly, name: str) -> None:
    """Raise WrongUse for what is no secret of the environment."""
    names = assembly.located.environment.secret_names
    if name not in names:
        raise WrongUse(
            f"environment {assembly.located.environment.name} has no secret {name!r}",
            where=str(assembly.located.file), state="untouched",
            todo=f"choose {DEPLOY_KEY}, or one of: {', '.join(names)}",
        )  # fmt: skip


def check_value(assembly: Assembly, name: str, value: str, present: str) -> None:
    """Raise WrongUse for a value that a deploy would refuse, or that changes nothing."""
    environment = assembly.located.environment
    if value == present:
        raise WrongUse(
            f"that is the value which {name} has", where=str(assembly.located.file),
            state="untouched", todo="give another one",
        )  # fmt: skip
    changed = replace(assembly, secret_values={**assembly.secret_values, name: value})
    configuration(environment, changed.stack, changed.secret_values, str(assembly.located.file))
    login = environment.login
    if login and name in (login.user, login.token):
        with changed.registry() as registry:
            registry.tags(environment.manifests)
