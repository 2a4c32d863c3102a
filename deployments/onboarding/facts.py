"""What a whole repository tells about each of its services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.onboarding.passwords import Passwords
from deployments.onboarding.repository import Repository


@dataclass(frozen=True)
class RepositoryFacts:
    """images: service to its image's variable. passwords: those that several know. ports: by which others
    reach what is built here. once: services that end by themselves, and others start after that.
    """

    found: Repository
    images: Mapping[str, str]
    passwords: Passwords
    ports: frozenset[int]
    once: frozenset[str]
