"""The tunnel through which a host pulls from the deployer's registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Refused, Unreachable
from deployments.shell import images
from deployments.shell.quote import Script
from infra.machine.output import Log
from infra.ssh.tunnel import PortRefused, close_tunnel, open_tunnel

if TYPE_CHECKING:
    import paramiko

    from infra.registry.api import Registry

TUNNEL_WAIT = 300
"""Seconds for which a run waits until the server's end of the tunnel is free."""


@dataclass(frozen=True)
class RegistryTunnel:
    """The port is the host's, and part of every image's name: one run has it at a time.

    transport: the connection as it is when asked for, which a run may make anew. read: runs a
    script that changes nothing, and returns what it printed.
    """

    environment: Environment
    transport: Callable[[], paramiko.Transport]
    read: Callable[[Script], str]
    log: Log

    @contextmanager
    def opened(self, registry: Registry, references: Sequence[str]) -> Iterator[None]:
        """For as long as the host pulls, where it lacks one of these images."""
        if not self.environment.host.tunnel_registry or not self._lacks(references):
            yield
            return
        registry.ping()
        _, _, text = self.environment.pull_registry.partition(":")
        if not text:
            raise HomeguruError(
                "a tunnelled pull_registry needs a port, such as localhost:5000",
                todo='pull_registry = "localhost:5000"',
            )
        port = int(text)
        self._open(port)
        try:
            yield
        finally:
            with suppress(Unreachable):
                close_tunnel(self.transport(), port)

    def _lacks(self, references: Sequence[str]) -> bool:
        """Whether the host has to pull one of these images."""
        return bool(references) and bool(self.read(images.missing(list(references))).strip())

    def _open(self, port: int) -> None:
        """Open it, once another run of this server has ended its own."""
        target, deadline = self.environment.push_registry, time.monotonic() + TUNNEL_WAIT
        waiting = free = False
        while True:
            try:
                return open_tunnel(self.transport(), port, target)
            except PortRefused:
                was_free, free = free, not self.read(images.listens(port)).strip()
                # Refused and free once may be two moments: another run ended between them.
                if free and was_free:
                    raise Refused(
                        f"sshd refuses the tunnel to the registry, and port {port} is free",
                        where=self.environment.ssh,
                        todo="on the server, in sshd's configuration: AllowTcpForwarding yes",
                    ) from None
                if time.monotonic() > deadline:
                    raise Refused(
                        f"port {port} on the server, for the tunnel to the registry, is in use for "
                        f"longer than {TUNNEL_WAIT} s",
                        where=self.environment.ssh,
                        todo="another deploy pulls through it: run this again after it; or see what "
                        f"has it: ss -ltnp 'sport = :{port}'",
                    ) from None
            if not (waiting or free):
                self.log(
                    f"port {port} on the server is in use, as by another deploy that pulls: "
                    f"waiting up to {TUNNEL_WAIT} s"
                )
                waiting = True
            time.sleep(1)
