"""What `init` makes of services that belong together, or know each other by name."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.compose import adapt
from deployments.onboarding.repository import Repository


def adapted(services: dict[str, Any], **texts: str) -> Adaptation:
    compose = {"services": services}
    return adapt(Repository("x", frozenset(texts), "compose.yml", compose, texts=texts))


def changed(adaptation: Adaptation) -> dict[tuple[str, ...], Any]:
    """Service and key to what takes its place."""
    return {e.path[1:]: e.value for e in adaptation.edits if e.path[0] == "services"}


def test_an_image_is_named_by_the_first_of_the_order_that_runs_it() -> None:
    """As a release names it, which refuses a Dockerfile of another one."""
    made = adapted({"web": {"build": ".", "depends_on": ["worker"]}, "worker": {"build": "."}})
    assert made.order == ["worker", "web"]
    assert list(made.dockerfiles) == ["worker"]


def test_what_only_a_release_runs_names_no_image() -> None:
    values = {"POSTGRES_PASSWORD": "hunter22"}
    migrates = {"build": ".", "command": "alembic upgrade head"}
    waits = {"schema": {"condition": "service_completed_successfully"}}
    made = adapted({
        "db": {"image": "postgres:16", "environment": values},
        "schema": migrates, "api": {"build": ".", "depends_on": waits},
    })  # fmt: skip
    assert made.migrate["service"] == "schema"
    assert list(made.dockerfiles) == ["api"]


@pytest.mark.parametrize(
    ("named", "shares"),
    [
        ("myapp", True), ("myapp:latest", True), ("docker.io/library/myapp", True),
        ("${REGISTRY:-docker.io/library}/myapp:${TAG:-latest}", True),
        ("myapp:2", False), ("acme/myapp", False),
    ],
)  # fmt: skip
def test_who_names_the_image_that_another_one_builds_runs_that_one(
    named: str, shares: bool
) -> None:
    web = {"build": {"context": "web"}, "image": "myapp", "ports": ["80:8000"]}
    services = {"worker": {"image": named, "command": "x"}, "web": web}
    made = adapted(services)
    assert (changed(made)["worker", "image"] == changed(made)["web", "image"]) == shares
    assert list(made.infrastructure) == (["edge"] if shares else ["worker", "edge"])
    assert list(made.dockerfiles) == (["worker"] if shares else ["web"])
