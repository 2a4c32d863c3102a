"""The engine of the e2e tests."""

from tests.e2e.conftest import engine

__all__ = ["engine"]
