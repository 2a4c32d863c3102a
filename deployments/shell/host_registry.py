"""A registry on the server itself: started where it is missing, pruned with the releases."""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.shell.quote import Script, call, functions, join


def keep(environment: Environment, port: int) -> Script:
    """Start the registry, where it does not run; it answers on the server's loopback alone."""
    text = join(
        functions("prelude", "host_registry"), f"project={environment.project}",
        call("keep_registry", environment.registry_image, port),
    )  # fmt: skip
    return Script(text, timeout=300)


def prune() -> Script:
    """Let go of what no kept release needs. Within a script that entered the environment."""
    return Script(join(functions("images_references", "host_registry"), "prune_registry"), 300)
