"""An application of as many services as one likes, each a container that does nothing for ever."""

from __future__ import annotations

from pathlib import Path

from infra.engine.client import docker
from infra.sandbox.sandbox import SandboxInfo

DOCKERFILE = """\
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
COPY version /version
CMD ["sleep", "infinity"]
"""
BAKE = """\
variable "CONTEXT" { default = "." }
variable "DOCKERFILES" { default = "deploy" }
variable "PYTHON_IMAGE" { default = "python:3.11-slim" }
"""
TARGET = """\
target "%(name)s" {
  context    = CONTEXT
  dockerfile = "${DOCKERFILES}/Dockerfile.%(name)s"
  args       = { PYTHON_IMAGE = PYTHON_IMAGE }
  attest     = ["type=provenance,disabled=true"]
}
"""
SERVICE = """\
  %(name)s:
    image: ${%(variable)s}
    init: true
    restart: unless-stopped
    healthcheck: { test: [CMD, test, -f, /version], interval: 10s, start_period: 20s, start_interval: 1s }
    deploy: { update_config: { order: start-first } }
"""
ENVIRONMENT = """\
v = 1
description = "many services"
project = "%(name)s"
directory = "%(directory)s"
compose = "%(compose)s"
push_registry = "%(registry)s"
pull_registry = "localhost:5000"
repository = "acme/%(images)s-{service}"
healthy_within = 60
[host]
address = "127.0.0.1"
port = %(port)s
user = "%(user)s"
key_file = "%(key)s"
host_keys = ["%(host_key)s"]
tunnel_registry = true
[need]
disk_mb = 1024
[watch]
every = 0
"""


def names(many: int) -> list[str]:
    """The services' names."""
    return [f"s{n}" for n in range(1, many + 1)]


def application(folder: Path, many: int) -> Path:
    """Write its sources; returns the Compose file."""
    deploy = folder / "deploy"
    deploy.mkdir(parents=True, exist_ok=True)
    (folder / "version").write_text("one\n")
    for name in names(many):
        (deploy / f"Dockerfile.{name}").write_text(DOCKERFILE)
        (deploy / f"Dockerfile.{name}.dockerignore").write_text("*\n!version\n")
    targets = [TARGET % {"name": name} for name in names(many)]
    (deploy / "docker-bake.hcl").write_text("\n".join([BAKE, *targets]))
    services = [SERVICE % {"name": n, "variable": f"{n.upper()}_IMAGE"} for n in names(many)]
    extension = f"x-deploy:\n  v: 1\n  order: [{', '.join(names(many))}]\n"
    file = deploy / "compose.yml"
    file.write_text(f"services:\n{''.join(services)}\n{extension}")
    return file


def environment(
    info: SandboxInfo, folder: Path, name: str, compose: Path, images: str = ""
) -> None:
    """Give it an environment of that name, and a directory on the server.

    images: how its repositories' names begin, where several environments run the same images.
    """
    directory = f"/opt/systech/{name}"
    docker("exec", info.server, "install", "-d", "-o", "systech", "-g", "systech", directory)
    values = {
        "name": name, "images": images or name, "directory": directory, "compose": compose, "registry": info.registry,
        "port": info.ssh_port, "user": info.ssh_user, "key": info.ssh_key, "host_key": info.host_key,
    }  # fmt: skip
    (folder / f"{name}.toml").write_text(ENVIRONMENT % values)
