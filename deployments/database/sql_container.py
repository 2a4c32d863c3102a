"""The container that prints a migration's SQL: an image that nobody has approved yet.

Of the service that migrates it has only what its code needs to start: how it is called and its
variables. It has no network, no secret, no capability, nothing that lasts to write on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import SecretStr

from deployments.canonical import canonical
from deployments.compose.env_file import render_env
from deployments.compose.stack import Process

SERVICE = "sql"
_SCRATCH = "/tmp"  # noqa: S108 (the container's own)
FILE, ENV_FILE = "sql.yml", "sql.env"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_WITH_LOGIN = re.compile(rf"{_URL.pattern}[^/?#]*@")
_KEY = "A" * 43 + "="
"""Thirty-two bytes in Base64: long enough for code that checks a key's length."""
_FORMS = (
    (r"\d+", "1000000000"),
    (r"\d+:.+", f"1000000000:{'A' * 35}"),
    (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", f"{'0' * 8}-0000-4000-8000-{'0' * 12}"),
    (r"[0-9a-fA-F]{32,}", "0" * 64),
)
"""Forms of a secret and their placeholders: code may check the form when it is imported."""


def compose_file(process: Process, image: str) -> str:
    """The Compose file of this one container."""
    places = dict.fromkeys((_SCRATCH, "/var/tmp", *process.mounts))  # noqa: S108
    service = {
        "image": image, "pull_policy": "never", "init": True, "restart": "no",
        "network_mode": "none", "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
        "read_only": True, "tmpfs": [f"{place}:size=64m,mode=1777" for place in places],
        "pids_limit": 256, "mem_limit": "1g", "cpu_shares": 256,
        # What it prints is not kept on the server's disk either.
        "logging": {"driver": "none"}, "healthcheck": {"disable": True},
        "environment": {"XDG_CACHE_HOME": _SCRATCH, **_without_logins(process.environment)},
        **process.call,
    }  # fmt: skip
    return canonical({"services": {SERVICE: service}})


def env_file(variables: Mapping[str, str], secrets: Mapping[str, SecretStr]) -> str:
    """Plain variables as they are; for each secret a placeholder of the same form."""
    dummies = {name: dummy(secret.get_secret_value()) for name, secret in secrets.items()}
    return render_env({**variables, **dummies})


def dummy(value: str) -> str:
    """Placeholder for a secret. Of the value it shows no more than its kind."""
    if match := _URL.match(value):
        return f"{match['scheme']}://dummy:dummy@localhost/dummy"
    if value.startswith(("{", "[")) and _is_json(value):
        return "{}" if value.startswith("{") else "[]"
    return next((placeholder for form, placeholder in _FORMS if re.fullmatch(form, value)), _KEY)


def _without_logins(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables, but for passwords that stand in the Compose file itself."""
    return {name: _without_login(name, value) for name, value in environment.items()}


def _without_login(name: str, value: str) -> str:
    if match := _WITH_LOGIN.match(value):
        return f"{match['scheme']}://dummy:dummy@localhost/dummy"
    literal = "$" not in value
    return dummy(value) if value and literal and re.search(r"PASS(WORD|WD)?$", name) else value


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
