"""A release that was deployed by hand: what its manifest says beyond another release's."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from deployments.compose.extension import Deploy
from deployments.fields import Frozen
from deployments.image_name import without_tag

NAME = "adopted"
RELEASE = f"0-{NAME}"


class AdoptedService(Frozen):
    """One service as it was found. `image` is the id that the host's engine has."""

    model_config = ConfigDict(extra="forbid")

    image: str
    reference: str
    digest: str
    config_hash: str


class Adoption(Frozen):
    """What a manifest says beyond other releases' when it was adopted. Paths on the host."""

    model_config = ConfigDict(extra="forbid")

    v: Literal[1] = 1
    directory: str
    files: tuple[str, ...]
    env_files: tuple[str, ...]
    services: dict[str, AdoptedService]
    deploy: Deploy
    ours: bool
    """Whether its Compose file is, byte by byte, the one that the environment names."""
    once: tuple[str, ...] = ()
    """Services that ran once and ended well: theirs is no container that must be there."""


def pins(adoption: Adoption) -> dict[str, str]:
    """Service to the reference that names its digest."""
    return {name: f"{without_tag(s.reference)}@{s.digest}" for name, s in adoption.services.items()}
