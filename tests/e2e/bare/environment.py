"""The environment of a bare machine, and `bootstrap` on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra.engine.client import docker
from infra.engine.images import HAPROXY, POSTGRES, REGISTRY
from tests.e2e.bare.machine import BareMachine
from tests.e2e.conftest import Ended, World


def environment_of(world: World, machine: BareMachine, name: str) -> Path:
    """The sandbox's environment on another machine, without its host key and its deploy key."""
    info, file = world.info, world.environments / f"{name}.toml"
    text = (world.environments / "sandbox.toml").read_text()
    for before, after in (
        ('address = "127.0.0.1"', f'address = "{machine.address}"'),
        (f"port = {info.ssh_port}", "port = 22"),
        (f'key_file = "{info.ssh_key}"', f'key_file = "{file.with_suffix("")}-keys/deploy"'),
        (f'host_keys = ["{info.host_key}"]', "host_keys = []  # the provider's console shows it"),
        (f'api = "{info.api_url}"', f'api = "http://{machine.address}:8003"'),
        (f'push_registry = "{info.registry}"', 'push_registry = "host"'),
        ('pull_registry = "localhost:5000"\n', ""),
        ("tunnel_registry = true\n", ""),
        (f'frontend = "{info.frontend_url}"', f'frontend = "http://{machine.address}:3003"'),
    ):
        assert before in text, before
        text = text.replace(before, after)
    file.write_text(text)
    return file


def bootstrap(world: World, machine: BareMachine, *words: str, env: str = "bare") -> Ended:
    """Prepare a machine, entering as its root."""
    return world.homeguru("bootstrap", "--env", env, "--key", str(machine.root_key), *words)


def give_upstream(world: World, machine: BareMachine) -> None:
    """The images that come from Docker Hub, which a test does not reach."""
    load(machine, REGISTRY, "docker.io/library/registry:2")
    # Starts the registry, and finds nothing in it.
    world.homeguru("doctor", "--env", "bare")
    for image in (POSTGRES, HAPROXY):
        load(machine, image, f"localhost:5000/library/{image}")
        machine.run(f"docker push -q localhost:5000/library/{image}")


def load(machine: BareMachine, image: str, name: str) -> None:
    """Give an image of this engine to a machine's own, under a name."""
    another = name.removeprefix("docker.io/library/") != image
    if another:
        docker("tag", image, name)
    saved = subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE)
    subprocess.run(["docker", "exec", "-i", machine.container, "docker", "load", "-q"],
                   stdin=saved.stdout, check=True)  # fmt: skip
    if another:
        docker("rmi", name)
