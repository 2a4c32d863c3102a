"""Whether releases are frozen at this moment."""

from __future__ import annotations

from datetime import UTC, datetime

from deployments.environment.freeze import frozen
from deployments.environment.schema import Environment


def frozen_now(environment: Environment) -> str:
    """Why a release needs approval now; empty where it does not."""
    return frozen(environment.freeze, datetime.now(UTC))
