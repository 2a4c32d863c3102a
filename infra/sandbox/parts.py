"""The containers of a sandbox, its network and volumes: created, started, removed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.engine.client import docker
from infra.engine.images import PYTHON, REGISTRY, server_image

LABEL = "org.homeguru.sandbox"
#: Dotted, so that no service of an application can have the same name.
TELEGRAM_NAME = "telegram.sandbox.test"
TELEGRAM_PORT = 8081


@dataclass(frozen=True)
class File:
    """A file put into a container before its first start; `owner` is uid and gid."""

    path: str
    data: bytes
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True)
class SandboxPart:
    """One container: `<project>-<name>`, with the options of `docker create`."""

    name: str
    image: str
    options: Sequence[str]
    command: Sequence[str] = ()
    volumes: dict[str, str] = field(default_factory=dict)
    files: Sequence[File] = ()


def parts(ports: dict[str, int], keys: tuple[Path, str]) -> list[SandboxPart]:
    """Describe registry, Telegram stand-in and server.

    `ports` are host ports by purpose, `keys` the file of the server's host key and the
    public key that may log in.
    """
    modules = [Path(__file__).parent / name for name in ("telegram.py", "bots.py")]
    return [
        SandboxPart(
            "registry",
            REGISTRY,
            [*_publish(ports["registry"], 5000), "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true"],
            volumes={"registry": "/var/lib/registry"},
        ),
        SandboxPart(
            "telegram",
            PYTHON,
            [*_publish(ports["telegram"], TELEGRAM_PORT), "--network-alias", TELEGRAM_NAME],
            ("python", "-m", "infra.sandbox.telegram", "--port", str(TELEGRAM_PORT)),
            files=[File(f"infra/sandbox/{m.name}", m.read_bytes()) for m in modules],
        ),
        _server(ports, *keys),
    ]


def _server(ports: dict[str, int], host_key: Path, login: str) -> SandboxPart:
    # The tmpfs makes every start a reboot: no pid file or socket of an earlier life.
    options = ["--privileged", "--tmpfs", "/run", "--stop-timeout", "30"]
    for port, inside in (("ssh", 22), ("api", 8003), ("frontend", 3003)):
        options += _publish(ports[port], inside)
    files = [
        File("etc/ssh/ssh_host_ed25519_key", host_key.read_bytes(), 0o600),
        File("home/systech/.ssh/authorized_keys", f"{login}\n".encode(), 0o600, 1000),
    ]
    return SandboxPart(
        "server", server_image(), options, volumes={"docker": "/var/lib/docker"}, files=files
    )


def _publish(port: int, inside: int) -> list[str]:
    return ["-p", f"127.0.0.1:{port}:{inside}"]


def states(project: str) -> dict[str, str]:
    """Return the state ("running", "exited", "created", ...) of each container by part name."""
    shown = docker("ps", "-a", *_label_filter(project), "--format", "{{.Names}} {{.State}}")
    pairs = (line.split() for line in shown.splitlines())
    return {name.removeprefix(f"{project}-"): state for name, state in pairs}


def ensure_network(project: str) -> None:
    """Create the project's network unless it exists."""
    if not docker("network", "ls", "-q", *_label_filter(project)):
        docker("network", "create", "--label", f"{LABEL}={project}", project)


def create(project: str, part: SandboxPart) -> None:
    """Create a container with its volumes and files, without starting it."""
    label = ["--label", f"{LABEL}={project}"]
    name = f"{project}-{part.name}"
    argv = ["create", "--name", name, *label, "--network", project, "--hostname", name]
    argv += ["--log-opt", "max-size=10m", *part.options]
    for volume, path in part.volumes.items():
        docker("volume", "create", *label, f"{project}-{volume}")
        argv += ["-v", f"{project}-{volume}:{path}"]
    docker(*argv, part.image, *part.command)
    if part.files:
        docker("cp", "-", f"{name}:/", data=_archive(part.files))


def _archive(files: Sequence[File]) -> bytes:
    """Pack files for `docker cp`, which keeps owners and modes of a tar stream only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = len(file.data), file.mode
            entry.uid = entry.gid = file.owner
            archive.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()


def remove(project: str) -> None:
    """Remove exactly the project's containers, network and volumes, by their label."""
    if ids := docker("ps", "-aq", *_label_filter(project)).split():
        docker("rm", "-f", "-v", *ids, timeout=120)
    for kind in ("network", "volume"):
        if ids := docker(kind, "ls", "-q", *_label_filter(project)).split():
            docker(kind, "rm", *ids)


def _label_filter(project: str) -> list[str]:
    # Label filters compare the whole value, so no other project's name matches.
    return ["--filter", f"label={LABEL}={project}"]
