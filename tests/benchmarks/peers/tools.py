"""What people deploy a Compose project with, each as its own documents show it."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.machine.processes import run
from tests.e2e.conftest import ROOT

HERE = Path(__file__).parent
VENV = ROOT / ".state" / "peers"
"""Ansible and pyinfra need another paramiko than we do: they live in an environment of their own."""


def install() -> None:
    """Make that environment, at the versions of `requirements.txt`."""
    uv = str(ROOT / ".uv/bin/uv") if (ROOT / ".uv/bin/uv").exists() else "uv"
    locked = str(HERE / "requirements.txt")
    for words in (
        ("venv", "--quiet", "--allow-existing", str(VENV)),
        ("pip", "install", "--quiet", "--python", str(VENV / "bin/python"), "-r", locked),
    ):
        done = run(uv, *words, timeout=600)
        assert done.code == 0, done.stderr


@dataclass
class Peer(ABC):
    """One tool, with a project of its own on the server."""

    name: str
    folder: Path
    """Files on this machine: the Compose file, `.env`, how the server is reached."""
    api_port: int
    page_port: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> str:
        """Name of the Compose project: that of its folder on the server."""
        return f"by-{self.name}"

    def reached_at(self, port: int, key: Path, known: str) -> None:
        """Write how the server is reached, with its key pinned."""
        hosts = self.folder / "known_hosts"
        hosts.write_text(f"[127.0.0.1]:{port} {known}\n")
        config = self.folder / "ssh_config"
        config.write_text(
            f"Host server\n  HostName 127.0.0.1\n  Port {port}\n  User systech\n"
            f"  IdentityFile {key}\n  UserKnownHostsFile {hosts}\n  StrictHostKeyChecking yes\n"
        )
        self.environment = {
            "CONFIG": str(config), "STACK": str(self.folder), "FOLDER": f"/home/systech/{self.project}",
        }  # fmt: skip
        self.inventory(port, key, config)

    def write(self, variables: Mapping[str, str]) -> None:
        """What the next run brings: images and variables."""
        ports = {"API_PORT": str(self.api_port), "FRONTEND_PORT": str(self.page_port)}
        lines = [f"{name}={value}" for name, value in {**variables, **ports}.items()]
        (self.folder / ".env").write_text("\n".join(lines) + "\n")

    def deploy(self) -> None:
        """Run the tool; raises AssertionError with what it said."""
        words = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        done = subprocess.run(
            self.command(), env={**words, **self.environment}, cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{self.name}: {done.stdout}"

    @abstractmethod
    def command(self) -> list[str]:
        """The command that a person runs."""

    @abstractmethod
    def inventory(self, port: int, key: Path, config: Path) -> None:
        """Write the tool's own description of the server."""


class Plain(Peer):
    def command(self) -> list[str]:
        return ["bash", str(HERE / "plain.sh")]

    def inventory(self, port: int, key: Path, config: Path) -> None:
        """OpenSSH's own configuration is all that it reads."""


class Ansible(Peer):
    def command(self) -> list[str]:
        return [str(VENV / "bin/ansible-playbook"), "-i", "inventory", str(HERE / "ansible.yml")]

    def inventory(self, port: int, key: Path, config: Path) -> None:
        (self.folder / "inventory").write_text(
            f'server ansible_ssh_common_args="-F {config}" ansible_python_interpreter=/usr/bin/python3\n'
        )
        self.environment |= {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_HOME": str(self.folder),
        }


class Pyinfra(Peer):
    def command(self) -> list[str]:
        return [str(VENV / "bin/pyinfra"), "-y", "inventory.py", str(HERE / "pyinfra_deploy.py")]

    def inventory(self, port: int, key: Path, config: Path) -> None:
        (self.folder / "inventory.py").write_text(
            f'servers = [("server", {{"ssh_config_file": "{config}"}})]\n'
        )
