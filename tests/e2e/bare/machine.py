"""A bare machine in a container, on the network of a sandbox."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko

from infra.engine.client import DockerFailed, docker
from infra.engine.images import TRIXIE, ensure_images
from infra.ssh.key import ensure_key
from tests.e2e.conftest import address_of, say

IMAGE = "hgtest-bare"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class BareMachine:
    """container: its name. address: in the sandbox's network. root_key: what root accepts."""

    container: str
    address: str
    host_key: str
    root_key: Path

    def run(self, script: str) -> str:
        """Run a script inside, past its sshd."""
        return docker("exec", "-i", self.container, "bash", "-s", data=script.encode())

    def lets_in(self, user: str, key: Path | None = None, password: str | None = None) -> bool:
        """Whether sshd lets somebody in."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect(
                self.address, 22, user, password=password, key_filename=str(key) if key else None,
                allow_agent=False, look_for_keys=False, timeout=10,
            )  # fmt: skip
        except paramiko.AuthenticationException:
            return False
        finally:
            client.close()
        return True


def reaches(source: str, address: str, port: int) -> bool:
    """Whether a container reaches a port of another address: a network namespace of its own."""
    code = f"import socket; socket.create_connection(({address!r}, {port}), 3)"
    try:
        docker("exec", source, "python3", "-c", code)
    except DockerFailed:
        return False
    return True


@contextmanager
def bare_machine(name: str, network: str, folder: Path) -> Iterator[BareMachine]:
    """One that nobody has prepared; removed at the end."""
    ensure_images([TRIXIE], say)
    docker("build", "-q", "-t", IMAGE, str(FOLDER), timeout=600)
    docker("rm", "-fv", name)
    folder.mkdir(parents=True, exist_ok=True)
    root_key, host_key = folder / "root_key", folder / "host_key"
    accepted, shown = ensure_key(root_key), ensure_key(host_key)
    try:
        docker(
            "run", "-d", "--name", name, "--hostname", name, "--network", network, "--privileged",
            "--tmpfs", "/run", IMAGE,
        )  # fmt: skip
        docker("cp", str(host_key), f"{name}:/tmp/host_key")
        found = BareMachine(name, address_of(name), shown, root_key)
        found.run(
            f"mkdir -p /root/.ssh && chmod 700 /root/.ssh && echo '{accepted}' > /root/.ssh/authorized_keys\n"
            "chmod 600 /root/.ssh/authorized_keys\n"
            "echo root:initial | chpasswd\n"
            "echo PermitRootLogin yes > /etc/ssh/sshd_config.d/50-cloud-init.conf\n"
            "echo PasswordAuthentication yes >> /etc/ssh/sshd_config.d/50-cloud-init.conf\n"
            f"echo '{shown}' > /etc/ssh/ssh_host_ed25519_key.pub\n"
            # It would refuse whoever has been refused a few times.
            "echo PerSourcePenalties no >> /etc/ssh/sshd_config.d/50-cloud-init.conf\n"
            # Its sshd starts when it has a key.
            "install -m 600 -o root -g root /tmp/host_key /etc/ssh/ssh_host_ed25519_key\n"
        )
        _await(found.address)
        yield found
    finally:
        docker("rm", "-fv", name)


def _await(address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((address, 22), 5) as connected:
                if connected.recv(16).startswith(b"SSH-2.0"):
                    return
        except OSError:
            pass
        assert time.monotonic() < deadline, "its sshd does not answer"
        time.sleep(0.3)
