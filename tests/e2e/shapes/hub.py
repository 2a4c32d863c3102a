"""Docker Hub and ghcr.io as a test has them: one registry under their names, trusted by who is told to.

So an environment names images as people write them, and no line of it is there for the test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.engine.client import docker
from infra.engine.images import REGISTRY
from infra.sandbox.parts import LABEL
from tests.e2e.certificates import archive, self_signed
from tests.e2e.conftest import address_of

NAMES = ("registry-1.docker.io", "ghcr.io")
SETTINGS = {
    "REGISTRY_HTTP_ADDR": ":443",
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/hub.crt",
    "REGISTRY_HTTP_TLS_KEY": "/hub.key",
}


@dataclass(frozen=True)
class Hub:
    """certificate: whom to trust. hosts: a file in the place of /etc/hosts. bundle: of certificates."""

    push: str
    certificate: str
    hosts: Path
    bundle: Path

    def holds(self, image: str, name: str) -> None:
        """Have a local image there. name: its repository and tag."""
        pushed = f"{self.push}/{name}"
        docker("tag", image, pushed)
        try:
            docker("push", "-q", pushed, timeout=300)
        finally:
            docker("rmi", pushed)

    def reached(self, *words: str) -> list[str]:
        """A command for which these names lead here, and for nobody else on this machine."""
        shell = f'mount --bind {self.hosts} /etc/hosts && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", shell, "sh", *words]


@contextmanager
def hub(network: str, folder: Path) -> Iterator[Hub]:
    """Run one in a network, whose other containers find it by its names."""
    certificate, key = self_signed(*NAMES)
    name = f"{network}-hub"
    aliases = [word for each in NAMES for word in ("--network-alias", each)]
    settings = [word for each in SETTINGS.items() for word in ("-e", "=".join(each))]
    docker(
        "create", "--name", name, "--label", f"{LABEL}={network}", "--network", network, *aliases,
        "-p", "127.0.0.1::443", *settings, REGISTRY,
    )  # fmt: skip
    try:
        docker("cp", "-", f"{name}:/", data=archive({"hub.crt": certificate, "hub.key": key}))
        docker("start", name)
        hosts, bundle = folder / "hosts", folder / "bundle.crt"
        line = f"{address_of(name)} {' '.join(NAMES)}\n"
        hosts.write_text(f"{Path('/etc/hosts').read_text().rstrip()}\n{line}")
        known = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
        bundle.write_text(known.read_text() + certificate)
        port = docker("port", name, "443").split(":")[-1]
        yield Hub(f"127.0.0.1:{port}", certificate, hosts, bundle)
    finally:
        docker("rm", "-fv", name)
