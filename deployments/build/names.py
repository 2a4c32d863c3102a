"""Names under `[build]` of an environment that mean nothing to what is built."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection

from deployments.compose.stack import Stack
from deployments.environment.schema import Environment
from deployments.errors import WrongUse


def refusal(environment: Environment, stack: Stack, declared: Collection[str]) -> WrongUse | None:
    """Each name that reaches no image, misspelt as a rule; None where all do or are allowed.

    declared: the build arguments of all Dockerfiles, those of services that are left out too.
    """
    unknown = sorted(set(environment.build) - {*declared, *environment.unused})
    if not unknown:
        return None
    moved = [name for name in unknown if name in stack.named]
    others = [name for name in unknown if name not in stack.named]
    todo = [f"move {', '.join(moved)} to [variables]"] if moved else []
    if others:
        several = len(others) > 1
        todo.append(
            f"correct the name{'s' if several else ''} of {', '.join(others)}, take "
            f"{'them' if several else 'it'} away, or allow {'them' if several else 'it'}: "
            f"unused = {json.dumps([*environment.unused, *others])}"
        )
    return WrongUse(
        "; ".join(_problem(name, stack, declared) for name in unknown), state="untouched",
        todo="; ".join(todo),
    )  # fmt: skip


def _problem(name: str, stack: Stack, declared: Collection[str]) -> str:
    problem = f"[build] names {name}, which no Dockerfile declares as ARG"
    if name in stack.named:
        return f"{problem}: a variable of the Compose file"
    near = difflib.get_close_matches(name, sorted(declared), n=1)
    return f"{problem}, and {near[0]} is one" if near else problem
