"""What the runner's builder can do beyond building: a cache in the registry, provenance."""

from __future__ import annotations

import os

from deployments.environment.schema import Environment
from infra.machine.processes import run
from infra.orchestration.api.button import Say


def use_builder(environment: Environment, say: Say) -> None:
    """Set what docker-bake.hcl asks for, where the builder can; say it where it cannot."""
    if not _exports():
        say(
            "builds without registry cache and provenance: this engine has no containerd image "
            "store; docker/setup-buildx-action gives a builder that can"
        )
        return
    if environment.host_registry_port:
        say("builds without registry cache: the registry on the server is for releases alone")
        return
    cache = f"{environment.push_registry}/{environment.repository_of('cache')}"
    for name, value in (("CACHE_FROM", cache), ("CACHE_TO", cache), ("PROVENANCE", "max")):
        os.environ.setdefault(name, value)
    say(f"build cache: {cache}; provenance attached")


def _exports() -> bool:
    """A builder of its own can; the engine's, only with the containerd image store."""
    driver = run("docker", "buildx", "inspect").stdout
    if "docker-container" in driver or "kubernetes" in driver or "remote" in driver:
        return True
    status = run("docker", "info", "--format", "{{json .DriverStatus}}").stdout
    return "io.containerd.snapshotter" in status
