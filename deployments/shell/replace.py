"""Replacing one service's container, in the order that was measured to lose no request.

Start-first: the new container becomes healthy, enters the edge's free slot, then the
old one is drained and removed. Stop-first: the new container is created, the old one
stopped, the new one started; a new one that does not become healthy is removed and the
old one started again. An earlier replacement that died half way is tidied up first.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from deployments.shell.quote import Script, call, functions, join

LONGEST_GRACE = 3600
"""Seconds that a container of a service which the release no longer has may take to end."""


@dataclass(frozen=True)
class Replacement:
    """One service and what it should run."""

    service: str
    variable: str
    image: str
    config_hash: str
    start_first: bool
    healthy_within: int
    grace: int
    keep: bool = False
    """Whether the container that served stays, and takes over when the new one is gone."""
    ready: tuple[str, ...] = ()
    """Command that exits 0 inside the new container as soon as it does its work."""
    user: str = ""
    """Who it runs as, where the Compose file says so: `name`, `1000` or `1000:1000`; else the image."""
    volumes: tuple[str, ...] = ()
    """Volumes that this user must be able to write to, `name:path`."""

    def settings(self) -> list[str]:
        """Shell variables that the functions above read."""
        values = {
            "service": self.service,
            "variable": self.variable,
            "image": self.image,
            "hash": self.config_hash,
            "order": "start-first" if self.start_first else "stop-first",
            "healthy": str(self.healthy_within),
            "grace": str(self.grace),
            "problem": "",
            "keep": "yes" if self.keep and self.start_first else "",
            "user": self.user,
            "volumes": " ".join(self.volumes),
        }
        words = " ".join(shlex.quote(word) for word in self.ready)
        return [*assigned(values), f"ready=({words})"]


@dataclass(frozen=True)
class Backend:
    """A service's place behind the edge.

    edge: the edge's service. port: the service's own, in its container. drain: seconds that requests
    which are open on the old container may still take.
    """

    edge: str
    port: int
    drain: int

    def settings(self, service: str) -> list[str]:
        """Shell variables that the functions of the slots read."""
        values = {"be": f"be_{service}", "port": str(self.port), "drain": str(self.drain)}
        return assigned({**values, "routed": "yes"})


def backend_settings(service: str, backend: Backend | None) -> list[str]:
    """Shell variables of its place; without one, that nobody reaches it at the edge."""
    return backend.settings(service) if backend else assigned({"routed": ""})


def assigned(values: dict[str, str]) -> list[str]:
    """Assignments of shell variables."""
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]


def find_edge(service: str) -> str:
    """The line that finds the edge's container."""
    return f"edge=$({call('container_ids', service)} | head -n 1)"


def replace_service(what: Replacement, backend: Backend | None, *, later: bool = False) -> Script:
    """Replace a service's container. backend: none for a service that nobody reaches at the edge.

    later: `together.start_together` has started the new container, and the old one stays until
    `together.drain_together`, without new requests.
    """
    if later and what.start_first and backend is None:
        # Both run, and nobody is sent from one to the other: which image is in use is all that is left.
        named = call("set_env", what.variable, what.image)
        return Script(join(functions("container"), named))
    files = ("slots", "replace_former") if backend else ()
    text = join(
        functions("container", "containers", *files, "serving", "replace_volumes", "replace"),
        *what.settings(),
        *assigned({"later": "yes" if later else ""}),
        *backend_settings(what.service, backend),
        find_edge(backend.edge) if backend else "",
        "replace_service",
    )
    drain = backend.drain if backend else 0
    return Script(text, timeout=what.healthy_within * 2 + drain + what.grace * 2 + 120)


def prepare_image(what: Replacement, command: tuple[str, ...], seconds: int) -> Script:
    """Run a command in a container of the new image while the old one runs."""
    line = call("prepare_image", seconds, *command)
    return Script(
        join(functions("replace_volumes", "replace_prepare"), *what.settings(), line),
        timeout=seconds + 60,
    )


def let_former_go(what: Replacement, backend: Backend) -> Script:
    """Remove the container that was kept of the release before; none is fine."""
    text = join(
        functions("containers", "slots", "serving", "replace_former"),
        *what.settings(),
        *backend.settings(what.service),
        find_edge(backend.edge),
        "let_former_go",
    )
    return Script(text, timeout=what.grace + 60)


def recreate_service(what: Replacement) -> Script:
    """Start or recreate a service with state or ports of its own: database, edge."""
    text = join(
        functions("container", "replace_volumes", "replace_up"),
        *what.settings(),
        "recreate_service",
    )
    return Script(text, timeout=what.healthy_within + what.grace + 120)


def start_stopped(container: str, healthy_within: int) -> Script:
    """Start a container that was stopped, and wait until it is healthy."""
    wait = call("wait_healthy", container, healthy_within) + ' || fail "it $problem"'
    start = call("docker", "start", container) + " >/dev/null"
    return Script(join(functions("container"), start, wait), timeout=healthy_within + 60)


def stop_service(service: str, grace: int) -> Script:
    """Stop a service's containers and leave them there: its way back is to start them."""
    return Script(
        f"{call('container_ids', service)} | xargs -r docker stop -t {grace} >/dev/null\n",
        timeout=grace + 60,
    )


def remove_service(service: str) -> Script:
    """Stop and remove every container of a service, each within the time that it was made with."""
    line = call("remove_service", service, LONGEST_GRACE)
    return Script(join(functions("replace_gone"), line), timeout=LONGEST_GRACE + 60)
