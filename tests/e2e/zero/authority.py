"""A certificate authority of a test's own: pebble, which speaks ACME as Let's Encrypt does."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.engine.client import docker
from infra.machine.processes import run
from tests.e2e.certificates import archive, self_signed
from tests.e2e.conftest import address_of

NAME = "pebble.sandbox.test"
IMAGE = "hgtest-pebble"
CONFIG = {
    "pebble": {
        "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/pebble.crt", "privateKey": "/etc/pebble.key",
        "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "",
    }
}  # fmt: skip


@dataclass(frozen=True)
class Authority:
    """Where it issues, and whom to trust."""

    directory: str
    own_certificate: str
    """Of its own address; ACME clients must be told, as it is nobody's."""
    trusted: ssl.SSLContext
    """Trusts what it issues."""


@contextmanager
def authority(project: str, reached: dict[str, str]) -> Iterator[Authority]:
    """Run one in a sandbox's network. reached: name to the address that it leads to."""
    folder = str(Path(__file__).parent / "pebble")
    builder = docker("context", "show")
    words = ["--builder", builder, "--load", "--progress=plain", "--tag", IMAGE, folder]
    built = run("docker", "buildx", "build", *words, timeout=300)
    assert built.code == 0, built.stderr
    certificate, key = self_signed(NAME)
    name = f"{project}-pebble"
    hosts = [w for host, address in reached.items() for w in ("--add-host", f"{host}:{address}")]
    docker("create", "--name", name, "--network", project, "--network-alias", NAME, *hosts, IMAGE)
    try:
        files = {"pebble.json": json.dumps(CONFIG), "pebble.crt": certificate, "pebble.key": key}
        docker("cp", "-", f"{name}:/etc", data=archive(files))
        docker("start", name)
        yield Authority(f"https://{NAME}:14000/dir", certificate, _trusted(name))
    finally:
        docker("rm", "-f", name)


def _trusted(name: str) -> ssl.SSLContext:
    transport = httpx.HTTPTransport(retries=20, verify=False, trust_env=False)
    with httpx.Client(transport=transport) as client:
        root = client.get(f"https://{address_of(name)}:15000/roots/0").raise_for_status().text
    return ssl.create_default_context(cadata=root)
