"""The e2e tests' engine, sandbox and Prefect server."""

from tests.e2e.conftest import engine, environments, folder, info, prefect, state

__all__ = ["engine", "environments", "folder", "info", "prefect", "state"]
