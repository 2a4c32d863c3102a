"""A certificate authority of a test's own: pebble, which speaks ACME as Let's Encrypt does."""

from __future__ import annotations

import datetime as dt
import io
import json
import ssl
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.engine.client import docker
from infra.machine.processes import run
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
    certificate, key = _self_signed(NAME)
    name = f"{project}-pebble"
    hosts = [w for host, address in reached.items() for w in ("--add-host", f"{host}:{address}")]
    docker("create", "--name", name, "--network", project, "--network-alias", NAME, *hosts, IMAGE)
    try:
        files = {"pebble.json": json.dumps(CONFIG), "pebble.crt": certificate, "pebble.key": key}
        docker("cp", "-", f"{name}:/etc", data=_archive(files))
        docker("start", name)
        yield Authority(f"https://{NAME}:14000/dir", certificate, _trusted(name))
    finally:
        docker("rm", "-f", name)


def _trusted(name: str) -> ssl.SSLContext:
    transport = httpx.HTTPTransport(retries=20, verify=False, trust_env=False)
    with httpx.Client(transport=transport) as client:
        root = client.get(f"https://{address_of(name)}:15000/roots/0").raise_for_status().text
    return ssl.create_default_context(cadata=root)


def _self_signed(name: str) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(pem).decode(), private.decode()


def _archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
