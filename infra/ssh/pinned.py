"""A server's pinned keys: there are some, and under which name OpenSSH looks for them."""

from __future__ import annotations

from deployments.environment.server import HostAddress
from infra.ssh.errors import UnsafeServer


def check_pinned(host: HostAddress, where: str, into: str, server: str = "the server") -> None:
    """Raise UnsafeServer where no key is pinned: an unknown host is never trusted. into: where one belongs."""
    if not host.host_keys:
        raise UnsafeServer(
            "no host key is pinned, and an unknown host is never trusted", where=where,
            state="not contacted",
            todo=f"read the key on {server}'s console: cat /etc/ssh/ssh_host_ed25519_key.pub; put it into {into}",
        )  # fmt: skip


def known_name(host: HostAddress) -> str:
    """The host as a line of known_hosts names it."""
    return host.address if host.port == 22 else f"[{host.address}]:{host.port}"
