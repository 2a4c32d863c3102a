"""What `init` makes of what services mount."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.compose import adapt
from deployments.onboarding.repository import Repository

FILES = {"Dockerfile": "FROM node\n", "server.js": "", "src/a.js": ""}


def adapted(services: dict[str, Any], volumes: dict[str, Any], files: dict[str, str]) -> Adaptation:
    compose = {"services": services, "volumes": volumes}
    return adapt(Repository("x", frozenset(files), "compose.yml", compose, texts=files))


def changed(adaptation: Adaptation, service: str, key: str) -> Any:
    """What takes a key's place; `as it was` where nothing does."""
    values = {e.path: e.value for e in adaptation.edits}
    return values.get(("services", service, key), "as it was")


@pytest.mark.parametrize(
    ("below", "kept"),
    [
        ("/app/node_modules", False), ("node_modules:/app/node_modules", False), ("v:/app/web/node_modules/", False),
        ("v:/app/vendor", False), ("v:/app/.venv", False), ("./node_modules:/app/node_modules", False),
        ({"type": "volume", "source": "v", "target": "/app/target"}, False), ("/app/packages/lib", False),
        ("uploads:/app/uploads", True), ("v:/app/files", True), ("v:/var/vendor", True), ("v:/app/data/vendor", True),
        ("v:/appendix/vendor", True), ({"type": "tmpfs", "target": "/app/node_modules"}, True),
    ],
)  # fmt: skip
def test_a_volume_that_showed_what_is_installed_goes_with_the_code_s_mount(below, kept) -> None:
    """It would hide what the next release's image has there; data below the code stays."""
    made = adapted({"web": {"build": ".", "volumes": [".:/app", below]}}, {}, FILES)
    assert changed(made, "web", "volumes") == ([below] if kept else None)
    said = [note for note in made.notes if note.startswith("web: no volume at /app/")]
    assert len(said) == (0 if kept else 1)


def test_an_anonymous_volume_that_may_hold_data_gets_a_name() -> None:
    made = adapted({"web": {"build": ".", "volumes": [".:/app", "/app/uploads", "/app/db"]}}, {}, FILES)  # fmt: skip
    named = ["web-app-uploads:/app/uploads", "web-app-db:/app/db"]
    assert changed(made, "web", "volumes") == named


def test_a_volume_stays_that_hides_nothing_of_the_image() -> None:
    """No code was mounted, or the image is somebody else's."""
    volumes = ["v:/app/vendor"]
    for body in ({"build": "."}, {"image": "php:8"}):
        made = adapted({"web": {**body, "volumes": volumes}}, {"v": None}, FILES)
        assert changed(made, "web", "volumes") == "as it was"


def test_what_nothing_mounts_any_longer_is_no_volume_of_the_file() -> None:
    body = {"build": ".", "volumes": [".:/app", "v:/app/node_modules"]}
    made = adapted({"web": body, "worker": body}, {"v": None}, FILES)
    assert [e.value for e in made.edits if e.path == ("volumes", "v")] == [None]
    assert changed(made, "worker", "volumes") is None


def test_a_volume_that_another_service_reads_stays() -> None:
    """A page that is built in one and served by the other."""
    web = {"build": ".", "volumes": [".:/app", "v:/app/dist"]}
    proxy = {"image": "nginx", "volumes": ["v:/usr/share/nginx/html"]}
    made = adapted({"web": web, "proxy": proxy}, {"v": None}, FILES)
    assert changed(made, "web", "volumes") == ["v:/app/dist"]
    assert not [e for e in made.edits if e.path == ("volumes", "v")]
