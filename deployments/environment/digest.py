"""Whether two machines mean the same by an environment's name.

`plan` reads the files of the machine that it runs on, a run on a Prefect server those of its
worker. A run carries a digest of each setting that it was requested with; values themselves
do not travel. A form in Prefect sends none: there the run says whose file it read, with one short
digest, and whoever approves can compare that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from deployments.canonical import canonical
from deployments.environment.schema import Environment
from deployments.errors import Refused, WrongUse

#: How one machine reaches things, or where it keeps them: may differ from machine to machine.
#: Pinned host keys identify the server.
_OF_ONE_MACHINE = (
    "compose", "push_registry", "source_key_file", "host.address", "host.port", "host.key_file",
    "host.tunnel_registry", "secrets.file", "urls",
)  # fmt: skip
_DIGITS = 8
_SHORT = 12

Compared = Literal["compared", "elsewhere", "here"]
"""Of a run's environment: the same as where it was requested; requested elsewhere without a digest;
read where it was requested, so that there is nothing to compare."""


def digests(
    environment: Environment, compose: str, configs: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Digest of each setting, by its key in the file, of the Compose file's text and its configs'.

    configs: name of each file that the Compose file's `configs` name, to its text.
    """
    by_key = {"compose file": _digest(compose)}
    by_key |= {f"config file {name}": _digest(text) for name, text in configs.items()}
    for key, value in environment.model_dump(mode="json").items():
        if key in _OF_ONE_MACHINE:
            continue
        nested = value if isinstance(value, dict) else None
        settings = {f"{key}.{k}": v for k, v in nested.items()} if nested else {key: value}
        by_key |= {k: _digest(v) for k, v in settings.items() if k not in _OF_ONE_MACHINE}
    return by_key


def encoded(digests: dict[str, str]) -> str:
    """For a run's parameter."""
    return canonical(digests)


def short(digests: dict[str, str]) -> str:
    """One digest of all settings, for people: equal where `check_as_requested` finds no difference."""
    return hashlib.sha256(encoded(digests).encode()).hexdigest()[:_SHORT]


def read_from(name: str, file: str, machine: str, digest: str, compared: Compared) -> str:
    """Whose file an environment was read from, for whoever reads or approves a plan."""
    suffix = {
        "compared": ", the same as where it was asked for",
        "elsewhere": f"; whoever asked has sent no digest: `homeguru plan --env {name}` shows that of "
        "another machine's file",
        "here": "",
    }
    return f"{file} on {machine}, digest {digest}{suffix[compared]}"


def of_a_checkout(digests: dict[str, str]) -> dict[str, str]:
    """The same without `[host]`: the application's repository need not know the server."""
    return {key: value for key, value in digests.items() if not key.startswith("host.")}


def check_as_requested(
    requested: dict[str, str], here: dict[str, str], name: str, where: str
) -> None:
    """Raise Refused naming each setting that differs from what the run was requested with."""
    if requested == of_a_checkout(requested):
        here = of_a_checkout(here)
    differ = sorted(k for k in requested.keys() | here.keys() if requested.get(k) != here.get(k))
    if differ:
        raise Refused(
            f"environment {name} is another one where the run was asked for than on this worker: "
            f"{', '.join(differ)} differ",
            where=where, state="untouched",
            todo="bring both machines to the same files: a control plane copies those of its folder at "
            "`homeguru control-plane up`, any other worker reads those of its HOMEGURU_ENVIRONMENTS. "
            f"Then look at `homeguru plan --env {name}`, and run it again",
        )  # fmt: skip


def decoded(text: str) -> dict[str, str]:
    """The parameter again; raises WrongUse for what is none."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise WrongUse(
            "parameter configuration is none that the command line made", state="untouched",
            todo="leave it empty: then nothing is compared",
        )  # fmt: skip
    return {str(k): str(v) for k, v in data.items()}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:_DIGITS]
