"""Check that a server lets us in with our key, shows the expected one, and has an engine."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass
from pathlib import Path

import paramiko

from deployments.errors import HomeguruError
from infra.ssh.algorithms import OLD


class NotYet(HomeguruError):
    """Something that is starting does not answer properly yet."""


@dataclass(frozen=True)
class Login:
    """SSH access to 127.0.0.1:`port` with a pinned host key ("ssh-ed25519 AAAA...")."""

    port: int
    user: str
    key: Path
    host_key: str

    def check(self) -> None:
        """Return when `docker info` answers over SSH.

        Raises NotYet while it does not, paramiko.BadHostKeyException for another key.
        """
        self.run("docker info --format '{{.ID}}'")

    def run(self, command: str) -> str:
        """Run a short command there and return its output; raises like `check`."""
        try:
            self._banner()
            with paramiko.SSHClient() as client:
                self._connect(client)
                _, out, err = client.exec_command(command, timeout=10)
                text = out.read().decode(errors="replace").strip()
                if out.channel.recv_exit_status():
                    raise NotYet(err.read().decode(errors="replace").strip())
                return text
        except paramiko.BadHostKeyException:
            raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise NotYet(f"ssh: {error}") from error

    def _banner(self) -> None:
        """See that sshd talks: paramiko's own thread prints a traceback when it does not."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            if not sock.recv(16).startswith(b"SSH-2.0"):
                raise NotYet("ssh: no banner")

    def _connect(self, client: paramiko.SSHClient) -> None:
        kind, encoded = self.host_key.split()[:2]
        pinned = paramiko.Ed25519Key(data=base64.b64decode(encoded))
        client.get_host_keys().add(f"[127.0.0.1]:{self.port}", kind, pinned)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            "127.0.0.1",
            self.port,
            self.user,
            key_filename=str(self.key),
            allow_agent=False,
            look_for_keys=False,
            timeout=5,
            banner_timeout=5,
            auth_timeout=5,
            disabled_algorithms=OLD,
        )
