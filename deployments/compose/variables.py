"""What one deployment is filled with: plain variables and secrets, complete and checked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from pydantic import SecretStr

from deployments.compose.stack import Stack
from deployments.environment.schema import Environment
from deployments.environment.server import EDGE_ADDRESS, EDGE_VARIABLES
from deployments.errors import WrongUse

_PLACEHOLDER = re.compile(
    r"^(<.*>|change[-_ ]?me.*|your[-_ ].*|xxx+|todo|placeholder)$", re.IGNORECASE
)
_URL_SAFE = re.compile(r"^[A-Za-z0-9._~-]+$")
_PART_OF_URL = re.compile(r"^[A-Za-z0-9._~:/\[\]-]+$")
"""A host with its port, or a path: what such a variable is filled with, as a rule."""


@dataclass(frozen=True)
class Configuration:
    """All variables of one deployment; secrets apart, and never in a `repr`."""

    variables: dict[str, str]
    secrets: dict[str, SecretStr] = field(repr=False)


def configuration(
    environment: Environment, stack: Stack, secrets: dict[str, str], where: str, file: str = ""
) -> Configuration:
    """Join the environment's variables with the secrets and check that none is wanting.

    file: the environment's secrets file. Raises WrongUse that names every variable that is missing,
    empty, still the template's placeholder, not fit for the URL that it stands in, or used nowhere.
    """
    names = set(environment.secrets.names)
    secret = stack.passwords | stack.files_of_secrets
    values = {**environment.variables, **{n: v for n, v in secrets.items() if n in names}}
    missing = set(stack.missing(values)) - names
    without = sorted(names - secrets.keys())
    problem_of = {
        **{name: f"variable {name} is missing" for name in missing - secret},
        **{name: f"secret {name} is missing" for name in without},
        **{name: _problem(name, environment, secrets, stack) for name in values},
    }
    problem_of = {name: problem_of[name] for name in sorted(problem_of) if problem_of[name]}
    others = [
        *_in_clear(environment, stack), *_of_the_server(environment, stack),
        *stack.wrong_ports(environment.variables),
    ]  # fmt: skip
    unused = [entry for entry in _unused(environment, stack) if entry[0] not in problem_of]
    if problems := [*problem_of.values(), *others, *(what for _, what, _ in unused)]:
        empty = [name for name in sorted(names & secrets.keys()) if not secrets[name].strip()]
        empty = empty if file else []
        wrong = others or problem_of.keys() - missing - {*without, *empty}
        todo = [
            *(["give each missing variable a value under [variables]"] if missing - secret else []),
            *([how_to_give(environment, without, file)] if without else []),
            *([f"set {', '.join(empty)} in {file}"] if empty else []),
            *(["correct what is named"] if wrong else []),
            *(todo for _, _, todo in unused),
            *([] if environment.compose else [_DESCRIBED]),
        ]
        raise WrongUse("; ".join(problems), where=where, state="untouched", todo="; ".join(todo))
    return Configuration(
        variables=dict(sorted(environment.variables.items())),
        secrets={name: SecretStr(secrets[name]) for name in sorted(names)},
    )


_DESCRIBED = "docker/env.production says what each variable means and how to make one"


def how_to_give(environment: Environment, names: list[str], file: str) -> str:
    """How secrets get their values. file: the environment's secrets file, if it has one."""
    named = environment.secret_names
    unnamed = [name for name in names if name not in named]
    first = f"add {', '.join(unnamed)} to `names` of [secrets], and " if unnamed else ""
    places = [
        "a variable of this process",
        *([f"a line NAME=value in {file}"] if file else []),
        f"Prefect's Secret block {block_name(environment.name, names[0])}",
    ]
    return f"{first}give {', '.join(names)} a value, in one of: {', '.join(places)}"


def block_name(environment: str, name: str) -> str:
    """Block names hold lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", f"homeguru-{environment}-{name}".lower())


def _unused(environment: Environment, stack: Stack) -> list[tuple[str, str, str]]:
    """Names that mean nothing to the Compose file: misspelt, as a rule. Each with what to do."""
    login, off_host = environment.login, environment.off_host
    own = {
        *((login.user, login.token) if login else ()), environment.notices.urls,
        environment.source_token, off_host.access_key, off_host.secret_key,
    }  # fmt: skip
    allowed = stack.named | own | {*environment.unused, *EDGE_VARIABLES}
    unused = [*_no_tls(environment, stack), *_not_closed(environment, stack)]
    for kind, names in (("variable", environment.variables), ("secret", environment.secrets.names)):
        for name in sorted(set(names) - allowed):
            near = difflib.get_close_matches(name, sorted(stack.named - stack.image_variables), n=1)
            suggestion = f", and {near[0]} is" if near else ""
            unused.append(
                (
                    name,
                    f"{kind} {name} is used nowhere in the Compose file{suggestion}",
                    f'correct its name, take it away, or allow it: unused = ["{name}"]',
                )
            )
        unused += [
            (
                name,
                f"{kind} {name} is filled by the deploy itself",
                "take it away: [images] pins an image that is not built here",
            )
            for name in sorted(set(names) & stack.image_variables)
        ]
    return unused


def _no_tls(environment: Environment, stack: Stack) -> list[tuple[str, str, str]]:
    """A domain that no service of the Compose file answers to: people would wait for HTTPS."""
    domain = environment.edge.domain
    if not domain or EDGE_VARIABLES[0] in {*stack.named, *stack.deploy.optional.values()}:
        return []
    return [
        (
            EDGE_VARIABLES[0],
            f"[edge] domain is {domain}, and no service of the Compose file ends TLS for it",
            "write one: init with --domain, in another folder, shows how; or take the domain away",
        )
    ]


def _not_closed(environment: Environment, stack: Stack) -> list[tuple[str, str, str]]:
    """An address to listen on that the Compose file does not read: its ports would stay open."""
    listen = environment.edge.listen
    if not listen or EDGE_ADDRESS in stack.named:
        return []
    return [
        (
            EDGE_ADDRESS,
            f"[edge] listen is {listen}, and the Compose file does not read it",
            'write host_ip: "${EDGE_ADDRESS:-}" in each port of the edge, or take listen away',
        )
    ]


def _in_clear(environment: Environment, stack: Stack) -> list[str]:
    """Passwords that are named as plain variables, which records of releases keep."""
    named, plain = set(environment.secrets.names), set(environment.variables)
    both = [f"{name} is in [variables] and in [secrets]" for name in sorted(named & plain)]
    kinds = {
        **dict.fromkeys(stack.files_of_secrets, "the value of a secret of the Compose file"),
        **dict.fromkeys(stack.passwords, "a password of the database"),
    }
    return both + [
        f"{name} is {kind}: name it in [secrets], not in [variables]"
        for name, kind in sorted(kinds.items())
        if name not in named
    ]


OF_THE_SERVER = frozenset({
    "HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG",
    "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION", "HOMEGURU_RUN",
})  # fmt: skip
"""Variables that the server's Docker needs as they are there: Compose takes them before any file's."""


def _of_the_server(environment: Environment, stack: Stack) -> list[str]:
    """Names for which a container would get the server's value, whatever a file says."""
    named = {*stack.named, *environment.variables, *environment.secrets.names} & OF_THE_SERVER
    return [
        f"variable {name} is the server's own, which Compose takes before any file's: "
        f"call it otherwise, APP_{name} for one"
        for name in sorted(named)
    ]


def _problem(name: str, environment: Environment, secrets: dict[str, str], stack: Stack) -> str:
    """What is wrong with the value of a variable or secret that the environment names."""
    is_secret = name in environment.secrets.names
    value = secrets.get(name) if is_secret else environment.variables.get(name)
    kind = "secret" if is_secret else "variable"
    if value is None or not value.strip():
        return f"{kind} {name} is empty"
    if _PLACEHOLDER.match(value.strip()):
        return f"{kind} {name} still holds the template's placeholder"
    if "\0" in value:
        return f"{kind} {name} holds a zero byte"
    lines = value.splitlines()
    if name in stack.passwords and len(lines) > 1:
        return f"{kind} {name} holds a line break, and is a password of the database"
    # Pasted with it, as a rule; no header takes it. A file may end as it likes.
    if len(lines) == 1 and lines != [value] and name not in stack.files_of_secrets:
        return f"{kind} {name} ends in a line break"
    if name in stack.in_urls and not (_URL_SAFE if is_secret else _PART_OF_URL).match(value):
        signs = ". _ ~ -" if is_secret else ". _ ~ - : / [ ]"
        return f"{kind} {name} stands inside a URL: use letters, digits and {signs} only"
    return ""


def changed_names(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Names whose value differs, is new or is gone."""
    return sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
