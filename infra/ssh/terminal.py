"""A command on the server at this terminal, by the person's own `ssh`: with the pinned key alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deployments.environment.schema import HostAddress
from deployments.errors import Refused
from infra.machine.processes import at_terminal
from infra.ssh.key import check_key_file


def run_at_terminal(host: HostAddress, key_file: Path, command: str, where: str) -> int:
    """Run it to its end with this process's own streams; returns its exit code.

    Raises Refused where no key of the server is pinned, WrongUse where `ssh` is missing.
    """
    if not host.host_keys:
        raise Refused(
            "no host key is pinned, and an unknown host is never trusted", where=where,
            state="not contacted", todo="read the key on the server's console: cat /etc/ssh/ssh_host_ed25519_key.pub; put it into host_keys",
        )  # fmt: skip
    check_key_file(key_file, where)
    name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    with tempfile.NamedTemporaryFile("w", prefix="homeguru-known-hosts-") as known:
        known.writelines(f"{name} {key}\n" for key in host.host_keys)
        known.flush()
        options = {
            "UserKnownHostsFile": known.name, "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes", "BatchMode": "yes",
            "ConnectTimeout": "15", "ServerAliveInterval": "15", "LogLevel": "ERROR",
        }  # fmt: skip
        words = ["ssh", "-F", "/dev/null", "-i", str(key_file), "-p", str(host.port)]
        words += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        words.append("-t" if sys.stdin.isatty() else "-T")
        return at_terminal([*words, f"{host.user}@{host.address}", command])
