"""Builders that the adapter tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.environment.schema import parse_environment
from infra.environment.locate import Located
from infra.publish import publishing, wanted
from tests.builders import compose_config, digest, make_environment, stack, toml, world

__all__ = ["compose_config", "digest", "make_environment", "stack", "toml", "world"]


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A look at a host leaves its names in the state folder: a test's, not in a person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEGURU_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def located(tmp_path: Path) -> Callable[..., Located]:
    """An environment that was read from `tmp_path`, with some keys changed."""

    def make(**changes: Any) -> Located:
        data = {
            "v": 1, "project": "homeguru", "directory": "/srv/homeguru",
            "push_registry": "localhost:5000", "pull_registry": "localhost:5000",
            "repository": "acme/homeguru-{service}",
            "host": {"address": "h", "user": "deploy", "key_file": "keys/id", "host_keys": []},
        }  # fmt: skip
        environment = parse_environment("prod", {**data, **changes}, "prod.toml")
        return Located(environment, tmp_path / "prod.toml")

    return make


class Builds(list):
    """Images that were built, and what the last build could read."""

    staged: list[str]


@pytest.fixture
def built(monkeypatch):
    """Images that were built; each is in the store afterwards."""
    seen = Builds()
    monkeypatch.setattr(wanted, "_identity", lambda image, _: f"identity-of-{image}")

    def use(store):
        def bake(folder, images, context, say, login, pushed):
            seen.extend(images)
            seen.staged = [str(p.relative_to(context)) for p in context.rglob("*") if p.is_file()]
            for image in images:
                repository, _, tag = image.tag.removeprefix("localhost:5000/").partition(":")
                store.known[repository, tag] = f"sha256:{len(seen):064x}"
                if pushed:
                    pushed(image)
            return {}

        monkeypatch.setattr(publishing.bake, "bake", bake)
        return seen

    return use
