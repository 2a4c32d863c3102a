"""The server that GitHub's secrets describe, for flows that run on the runner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.environment.documents import AUTO_DEPLOY
from deployments.errors import WrongUse
from infra.cli.actions.known_hosts import pinned_keys
from infra.cli.actions.runner import Runner
from infra.environment import locate

KEY_FILE = "homeguru-deploy-key"


@contextmanager
def server_of_secrets(runner: Runner, name: str) -> Iterator[None]:
    """Let SSH_KEY, SSH_HOST, SSH_USER, SSH_PORT and SSH_KNOWN_HOSTS speak for [host].

    What is not set stays as the environment's file has it. The key is a 0600 file meanwhile.
    With a control plane named, only a plan comes here.
    """
    host: dict[str, Any] = {}
    for variable, key in (("SSH_HOST", "address"), ("SSH_USER", "user")):
        if variable in os.environ:
            host[key] = os.environ[variable].strip()
    if "SSH_PORT" in os.environ:
        host["port"] = _port(os.environ["SSH_PORT"].strip())
    file = locate.load(name)
    declared = file.environment.host
    if "SSH_KNOWN_HOSTS" in os.environ:
        address, port = host.get("address", declared.address), host.get("port", declared.port)
        host["host_keys"] = pinned_keys(os.environ["SSH_KNOWN_HOSTS"], address, port)
    if "SSH_KEY" in os.environ:
        host["key_file"] = str(_write_key(runner, os.environ.pop("SSH_KEY")))
    _nothing_missing(host, file.key_file, pinned=bool(declared.host_keys))
    locate.override(name, host)
    try:
        yield
    finally:
        remove_key(runner)


def remove_key(runner: Runner) -> None:
    """Remove the private key; safe to call twice."""
    (runner.temp / KEY_FILE).unlink(missing_ok=True)


def _nothing_missing(host: dict[str, Any], key_file: Path, *, pinned: bool) -> None:
    missing = []
    if "key_file" not in host and not key_file.is_file():
        missing.append("SSH_KEY")
    if "host_keys" not in host and not pinned:
        missing.append("SSH_KNOWN_HOSTS")
    if missing and os.environ.get("PREFECT_API_URL"):
        raise WrongUse(
            f"secret {' and '.join(missing)} is missing: a plan is made over SSH, "
            "with a control plane too", state="not contacted",
            todo="set it in the environment's secrets on GitHub, for dry runs; "
            f"{AUTO_DEPLOY}",
        )  # fmt: skip
    if missing:
        raise WrongUse(
            f"secret {' and '.join(missing)} is missing, and no control plane is named",
            state="not contacted",
            todo="set it in the environment's secrets on GitHub, or PREFECT_API_URL and "
            f"PREFECT_API_AUTH_STRING; {AUTO_DEPLOY}",
        )  # fmt: skip


def _port(text: str) -> int:
    if not (text.isdigit() and 0 < int(text) < 65536):
        raise WrongUse(
            f"SSH_PORT is not a port: {text!r}",
            state="not contacted",
            todo="set SSH_PORT on GitHub to a number, or remove it for 22",
        )
    return int(text)


def _write_key(runner: Runner, text: str) -> Path:
    """Forms of GitHub change line ends and drop the last one; ssh insists on them."""
    lines = text.replace("\r\n", "\n").strip() + "\n"
    if not lines.startswith("-----BEGIN ") or "PRIVATE KEY-----\n" not in lines:
        raise WrongUse(
            "SSH_KEY is not a private key", state="not contacted",
            todo="paste the whole file, from -----BEGIN to the line -----END, not its .pub",
        )  # fmt: skip
    file = runner.temp / KEY_FILE
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(lines)
    return file
