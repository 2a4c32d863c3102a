"""The registry that `push_registry = "host"` keeps on the server, as this machine reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.errors import StepFailed
from deployments.shell import host_registry
from infra.environment.locate import Located
from infra.ssh.connection import Remote
from infra.ssh.tunnel import forwarded

if TYPE_CHECKING:
    from infra.registry.api import Registry


@contextmanager
def opened_host_registry(located: Located, port: int) -> Iterator[Registry]:
    """Start it where it does not run, and reach it through SSH, while the block lasts."""
    from infra.registry.api import Registry

    environment = located.environment
    remote = Remote(environment, located.key_file)
    try:
        output = remote.open().run(host_registry.keep(environment, port))
        if output.code:
            raise StepFailed(
                f"the registry on the server does not start: {output.tail}", where=environment.ssh,
                state="unchanged",
                todo="correct what it says; another port is chosen by pull_registry = \"localhost:PORT\"",
            )  # fmt: skip
        with (
            forwarded(remote.transport, port) as local,
            Registry(f"127.0.0.1:{local}") as registry,
        ):
            yield registry
    finally:
        remote.close()
