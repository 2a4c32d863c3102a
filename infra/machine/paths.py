"""Where the files that are not Python lie: in the checkout, or inside the wheel."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from deployments.errors import WrongUse

CHECKOUT = Path(__file__).resolve().parents[2]


def docker_dir() -> Path:
    """Dockerfiles, Compose files and the edge's base configuration."""
    checkout = CHECKOUT / "docker"
    if (checkout / "docker-bake.hcl").is_file():
        return checkout
    return Path(str(files("infra"))) / "_data" / "docker"


def sandbox_dir() -> Path:
    """Definition of the sandbox's images."""
    return Path(__file__).resolve().parents[1] / "sandbox"


def packaged_environments() -> Path:
    """Environments of this project's checkout; what is installed has none."""
    return Path(str(files("deployments"))) / "environments"


def state_dir() -> Path:
    """This machine's state: Prefect home, caches. `HOMEGURU_STATE` overrides it.

    Raises WrongUse where it cannot be made.
    """
    chosen = os.environ.get("HOMEGURU_STATE")
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(chosen) if chosen else Path(base) / "homeguru"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(
            f"the folder for this machine's state cannot be made: {error.strerror}",
            where=str(path), state="untouched", todo="set HOMEGURU_STATE to one that can",
        ) from None  # fmt: skip
    return path
