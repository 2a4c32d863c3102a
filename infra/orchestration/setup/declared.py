"""prefect.yaml: the one source of deployments, their pools and their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from deployments.errors import WrongUse
from infra.machine.paths import CHECKOUT


@dataclass(frozen=True)
class Declared:
    """One deployment as prefect.yaml means it."""

    name: str
    entrypoint: str
    description: str
    tags: tuple[str, ...]
    pool: str
    queue: str
    container_pool: str
    """Pool of `--pools docker`; empty where the flow needs this machine's own engine."""
    pull_steps: list[dict[str, Any]]
    schedules: list[dict[str, Any]]

    def pool_of(self, pools: str) -> str:
        """The pool that carries it out."""
        return self.container_pool if pools == "docker" and self.container_pool else self.pool


def source() -> Path:
    """prefect.yaml of the checkout, or the one inside the wheel."""
    checkout = CHECKOUT / "prefect.yaml"
    return checkout if checkout.is_file() else Path(str(files("infra"))) / "_data/prefect.yaml"


def declared(file: Path | None = None) -> tuple[list[Declared], list[Declared]]:
    """The deployments, and those under `control-plane`, which only a control plane has."""
    where = file or source()
    try:
        document = yaml.safe_load(where.read_text())
        pull = document.get("pull") or []
        everywhere = [_read(entry, pull) for entry in document["deployments"]]
        return everywhere, [_read(entry, pull) for entry in document.get("control-plane") or []]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(
            f"prefect.yaml cannot be read: {type(error).__name__} {error}", where=str(where),
            state="untouched", todo="restore the file from its release",
        ) from None  # fmt: skip


def _read(entry: dict[str, Any], pull: list[dict[str, Any]]) -> Declared:
    pool = entry["work_pool"]
    return Declared(
        name=entry["name"], entrypoint=entry["entrypoint"],
        description=str(entry.get("description", "")), tags=tuple(entry.get("tags", ())),
        pool=pool["name"], queue=pool.get("work_queue_name", "default"),
        container_pool=entry.get("container_pool", ""), pull_steps=entry.get("pull", pull),
        schedules=entry.get("schedules") or [],
    )  # fmt: skip
