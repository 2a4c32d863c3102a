"""The sandbox as an environment: its TOML and its secrets, made once and kept."""

from __future__ import annotations

import secrets
from pathlib import Path

from infra.sandbox.sandbox import SandboxInfo

_TOML = """\
# Written by the sandbox: ports, keys and addresses exist only at run time.
v = 1
description = "A production server on this machine"
project = "homeguru"
directory = "/opt/systech/sunko"
push_registry = "{registry}"
pull_registry = "localhost:5000"
repository = "systech/homeguru-{{service}}"
healthy_within = {healthy_within}

[host]
address = "127.0.0.1"
port = {ssh_port}
user = "{ssh_user}"
key_file = "{ssh_key}"
host_keys = ["{host_key}"]
tunnel_registry = true

[build]
NEXT_PUBLIC_API_URL = "{api_url}"

[variables]
TELEGRAM_API_URL = "{telegram_url}"

[secrets]
file = "{name}.secrets.env"
names = [{names}]

[images]
postgres = "localhost:5000/library/postgres:16"
edge = "localhost:5000/library/haproxy:3.0"

[urls]
api = "{api_url}"
frontend = "{frontend_url}"

[need]
disk_mb = 1024
memory_mb = 256
"""

_SECRETS = (
    "POSTGRES_PASSWORD",
    "DATABASE_OWNER_PASSWORD",
    "DATABASE_PASSWORD",
    "ADMIN_PASSWORD",
    "JWT_SECRET_KEY",
    "OPENROUTER_API_KEY",
)


def write_environment(
    info: SandboxInfo, folder: Path, name: str = "sandbox", healthy_within: int = 120
) -> Path:
    """Write `<name>.toml` and, when missing, its secrets; returns the TOML's path."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{n}"' for n in (*_SECRETS, "TELEGRAM_BOT_TOKEN"))
    text = _TOML.format(
        name=name, names=names, healthy_within=healthy_within, registry=info.registry,
        ssh_port=info.ssh_port, ssh_user=info.ssh_user, ssh_key=info.ssh_key,
        host_key=info.host_key, api_url=info.api_url, frontend_url=info.frontend_url,
        telegram_url=info.telegram_url,
    )  # fmt: skip
    file = folder / f"{name}.toml"
    file.write_text(text)
    _write_secrets(folder / f"{name}.secrets.env")
    return file


def _write_secrets(file: Path) -> None:
    if file.exists():
        return
    values = {name: secrets.token_urlsafe(24) for name in _SECRETS}
    values["TELEGRAM_BOT_TOKEN"] = f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_hex(17)}x"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
