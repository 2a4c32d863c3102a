"""The engine of the end-to-end tests, for the one story that needs it."""

from tests.e2e.conftest import engine as engine
