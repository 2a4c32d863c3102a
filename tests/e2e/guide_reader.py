"""A reader of the guide that deploys by hand, and the world around him."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt

from infra.engine.client import docker
from infra.sandbox.sandbox import SandboxInfo
from tests.e2e.conftest import ROOT, say
from tests.e2e.guide_blocks import Block, Terminal, blocks, filled_in

USER = "reader"
MODEL_KEY = "sk-or-$none #1"
"""A value that Compose and a shell would spoil if the guide did not quote it."""
REGISTRY = """\
version: 0.1
storage: { filesystem: { rootdirectory: /var/lib/registry } }
http: { addr: ":5000" }
auth: { htpasswd: { realm: registry, path: /htpasswd } }
"""


class Reader:
    """Somebody who reads the guide, with a terminal here, one on the server, and its console."""

    def __init__(self, guide: Path, host: SandboxInfo, folder: Path, token: str) -> None:
        self.host, self.folder, self.token = host, folder, token
        self.source, self.work = folder / "homeguru", folder / "work"
        self.todo = [b for b in blocks(guide.read_text()) if b.is_shell and not b.reason]
        self.began = time.monotonic()
        self._open = ExitStack()
        self._terminals: dict[str, Terminal] = {}

    def read(self, section: str) -> list[str]:
        """Run the blocks of the next section; what each one printed."""
        assert self.todo and self.todo[0].section == section, "the guide goes on elsewhere"
        printed, began = [], time.monotonic()
        while self.todo and self.todo[0].section == section:
            printed.append(self._run(self.todo.pop(0)))
        say(f"{section}: {time.monotonic() - began:.0f} s")
        return printed

    def close(self) -> None:
        self._open.close()

    def on_server(self, line: str) -> str:
        """What one more command prints in the server's terminal."""
        return self._terminal("server").run(line).strip()

    def new_terminal(self) -> Terminal:
        """A further terminal on the server."""
        return self._open.enter_context(
            Terminal("ssh", "-F", str(self.work / "ssh.config"), "homeguru")
        )

    def _run(self, block: Block) -> str:
        text, answers = block.text, ""
        if block.section == "What you fill in":
            if "read -rsp" in text:
                names = text.partition("for name in ")[2].partition(";")[0].split()
                answers = "".join(f"{self._secrets[name]}\n" for name in names)
            else:
                text = filled_in(text, self._values)
        place = block.info.split()[1]
        return self._terminal(place).run(text, answers)

    def _terminal(self, place: str) -> Terminal:
        if place not in self._terminals:
            self._terminals[place] = self._enter(place)
        return self._terminals[place]

    def _enter(self, place: str) -> Terminal:
        if place == "server":
            return self.new_terminal()
        if place == "root":
            console = Terminal("docker", "exec", "-i", self.host.server, "sh", "-c")
        else:
            assert place == "laptop", place
            console = Terminal(cwd=ROOT, env=laptop(self.folder))
        return self._open.enter_context(console)

    @property
    def _values(self) -> dict[str, str]:
        upstream = f"{self.host.registry}/library"
        return {
            "HOST": "127.0.0.1", "SSH_PORT": str(self.host.ssh_port),
            "SSH_USER": self.host.ssh_user, "KEY": str(self.host.ssh_key),
            "HOST_KEY": self.host.host_key, "REGISTRY": self.host.registry, "OWNER": self.host.project,
            "REGISTRY_USER": USER, "RELEASE": "sha-000000000001",
            "NEXT_RELEASE": "sha-000000000002", "POSTGRES_IMAGE": f"{upstream}/postgres:16",
            "EDGE_IMAGE": f"{upstream}/haproxy:3.0", "API_URL": self.host.api_url,
            "FRONTEND_URL": self.host.frontend_url, "TELEGRAM_API_URL": self.host.telegram_url,
            "SOURCE": str(self.source), "WORK": str(self.work),
        }  # fmt: skip

    @property
    def _secrets(self) -> dict[str, str]:
        bot = "1234567890:abcdefghijklmnopqrstuvwxyzABCDEFGHI"
        return {
            "REGISTRY_TOKEN": self.token, "OPENROUTER_API_KEY": MODEL_KEY,
            "TELEGRAM_BOT_TOKEN": bot,
        }  # fmt: skip


def laptop(folder: Path) -> dict[str, str]:
    """Variables of the terminal here: a home and a Docker configuration of its own."""
    real = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    config = folder / "docker"
    config.mkdir()
    plugins = {"cliPluginsExtraDirs": [str(real / "cli-plugins")]}
    (config / "config.json").write_text(json.dumps(plugins))
    engine = docker("context", "inspect", "-f", "{{.Endpoints.docker.Host}}")
    return {
        **os.environ, "HOME": str(folder), "DOCKER_CONFIG": str(config), "DOCKER_HOST": engine,
        "BUILDX_CONFIG": str(real / "buildx"), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip


def ask_for_a_password(host: SandboxInfo, folder: Path) -> str:
    """Close the registry to all but one account; returns its token."""
    token = secrets.token_urlsafe(24)
    hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(5, prefix=b"2a")).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    (folder / "config.yml").write_text(REGISTRY)
    container = f"{host.project}-registry"
    docker("cp", str(folder / "htpasswd"), f"{container}:/htpasswd")
    docker("cp", str(folder / "config.yml"), f"{container}:/etc/docker/registry/config.yml")
    docker("restart", "-t", "2", container)
    return token


@contextmanager
def same_registry_there(host: SandboxInfo, folder: Path) -> Iterator[None]:
    """Give the server the registry under the name that it has here."""
    known = folder / "tunnel_known_hosts"
    known.write_text(f"tunnel {host.host_key}\n")
    words = ["-i", str(host.ssh_key), "-p", str(host.ssh_port), "-F", "none", "-N"]
    for option in ("HostKeyAlias=tunnel", f"UserKnownHostsFile={known}", "BatchMode=yes",
                   "StrictHostKeyChecking=yes", "ExitOnForwardFailure=yes"):  # fmt: skip
        words += ["-o", option]
    port = host.registry.rpartition(":")[2]
    tunnel = subprocess.Popen(
        ["ssh", *words, "-R", f"{port}:127.0.0.1:{port}", f"{host.ssh_user}@127.0.0.1"]
    )
    try:
        yield
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def forget_images(owner: str) -> None:
    """Remove the images that a run pushed from here."""
    shape = "{{.Repository}}:{{.Tag}}"
    shown = docker("images", "--format", shape, "--filter", f"reference=*/{owner}/*")
    if shown:
        docker("rmi", *shown.split())
