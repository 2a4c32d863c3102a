"""A command on the server at this terminal, by the person's own `ssh`: with the pinned key alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deployments.environment.server import HostAddress
from infra.machine.processes import at_terminal
from infra.machine.signals import begin_work
from infra.ssh.key import check_key_file
from infra.ssh.pinned import check_pinned, known_name


def has_terminal() -> bool:
    """Whether a person sits at both ends: a terminal would turn each end of a line in a file into two characters."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run_at_terminal(host: HostAddress, key_file: Path, command: str, where: str) -> int:
    """Run it to its end with this process's own streams; returns its exit code, 255 where `ssh` failed.

    Raises Refused where no key of the server is pinned, WrongUse where `ssh` is missing.
    """
    check_pinned(host, where, "host_keys")
    check_key_file(key_file, where)
    name = known_name(host)
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
        words.append("-t" if has_terminal() else "-T")
        begin_work()
        return at_terminal([*words, f"{host.user}@{host.address}", command])
