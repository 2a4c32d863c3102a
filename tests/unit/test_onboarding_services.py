"""What `init` makes of services that belong together, or know each other by name."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.errors import WrongUse
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


@pytest.mark.parametrize(
    ("body", "networks"),
    [
        ({"container_name": "my-web"}, {"default": {"aliases": ["my-web"]}}),
        ({"container_name": "my-web", "hostname": "page"}, {"default": {"aliases": ["my-web", "page"]}}),
        ({"container_name": "a", "networks": ["x", "y"]}, {"x": {"aliases": ["a"]}, "y": {"aliases": ["a"]}}),
        ({"container_name": "a", "networks": {"x": None, "y": {"aliases": ["b"], "priority": 1}}},
         {"x": {"aliases": ["a"]}, "y": {"aliases": ["b", "a"], "priority": 1}}),
        ({"container_name": "${COMPOSE_PROJECT_NAME}-web-${N:-1}"}, {"default": {"aliases": ["x-web-1"]}}),
        ({"container_name": "web", "hostname": "web"}, None),
        ({"container_name": "a", "network_mode": "host"}, None),
    ],
)  # fmt: skip
def test_a_container_s_name_leads_to_its_service_as_before(body: dict, networks) -> None:
    made = adapted({"web": {"build": ".", **body}})
    assert changed(made).get(("web", "networks")) == networks
    assert not any("no longer reach" in note for note in made.notes)
    for key in body.keys() & {"container_name", "hostname"}:
        assert changed(made)["web", key] is None


@pytest.mark.parametrize("name", ["db", "${NOBODY_SAYS}", "-${NOBODY_SAYS}"])
def test_a_name_that_cannot_be_kept_is_said(name: str) -> None:
    """Another service's own, too: each would get a half of the other's requests."""
    made = adapted({"web": {"build": ".", "container_name": name}, "db": {"image": "redis:7"}})
    assert ("web", "networks") not in changed(made)
    assert any(f"web: others no longer reach it as {name}" in note for note in made.notes)


def test_what_is_not_built_here_keeps_its_hostname() -> None:
    """RabbitMQ would begin with empty queues in a folder of another name."""
    made = adapted({"mq": {"image": "rabbitmq:4", "container_name": "my-mq", "hostname": "mq1"}})
    assert ("mq", "hostname") not in changed(made)
    assert changed(made)["mq", "networks"] == {"default": {"aliases": ["my-mq"]}}


def test_what_has_ended_is_reached_by_nobody() -> None:
    once = {"build": ".", "command": "node migrate.js", "container_name": "a"}
    made = adapted({"migrate": once, "web": {"build": ".", "depends_on": ["migrate"]}})
    assert ("migrate", "networks") not in changed(made)
    assert changed(made)["migrate", "container_name"] is None


def test_a_database_in_an_address_is_known_by_its_container_s_name() -> None:
    """Else the wrong one would be backed up."""
    values = {"POSTGRES_PASSWORD": "hunter22"}
    db = {"image": "postgres:16", "container_name": "my-db", "environment": values}
    url = {"URL": "postgres://postgres:hunter22@my-db:5432/shop"}
    made = adapted({"db": db, "web": {"build": ".", "environment": url}})
    assert made.database == {}
    assert any("shop is used" in note for note in made.notes)


def test_what_a_build_names_by_variables_is_what_examples_and_defaults_give() -> None:
    build = {"context": "${CTX:-.}/api", "dockerfile": "${FILE}", "target": "${STAGE:-prod}"}
    compose = {"services": {"web": {"build": build}}}
    env = {".env.example": {"FILE": "Dockerfile.api"}}
    made = adapt(Repository("x", frozenset(), "compose.yml", compose, {}, env))
    named = {"file": "api/Dockerfile.api", "context": "api", "target": "prod"}
    assert made.dockerfiles["web"] == {"variable": "WEB_IMAGE", **named}


def test_a_build_asks_the_environment_for_no_variable() -> None:
    """A release reads it nowhere, and would be refused for each one without a value."""
    args = ["A=${A}", "B=${B:-b}", "API_TOKEN=${API_TOKEN:?no}", "C"]
    compose = {"services": {"web": {"build": {"context": "${CTX}", "args": args}}}}
    env = {".env.example": {"CTX": ".", "A": "a$$", "API_TOKEN": "hunter22"}}
    made = adapt(Repository("x", frozenset(), "compose.yml", compose, {}, env))
    assert changed(made)["web", "build"] == {
        "context": "${CTX:-.}",
        "args": ["A=${A:-a$$$$}", "B=${B:-b}", "API_TOKEN=${API_TOKEN:-}", "C"],
    }
    assert ("web", "build") not in changed(adapted({"web": {"build": {"context": "${C:-.}"}}}))


@pytest.mark.parametrize(
    ("build", "said"),
    [("${CTX}", r"nothing gives CTX a value"), (None, "an empty `build`"), ({}, "an empty `build`"),
     ("${CTX:-..}/api", "built from outside of this repository")],
)  # fmt: skip
def test_a_build_of_which_the_folder_is_not_known_is_refused(build, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        adapted({"web": {"build": build}})


@pytest.mark.parametrize("entry", ["${PORT}:3000", {"target": 3000, "published": "${PORT}"}])
@pytest.mark.parametrize("body", [{"build": "."}, {"image": "nginx"}])
def test_a_port_that_nobody_knows_is_said(entry, body: dict) -> None:
    made = adapted({"web": {**body, "ports": ["${KNOWN:-80}:80", entry]}})
    assert [note for note in made.notes if "nothing gives PORT a value" in note]
    assert not any("KNOWN" in note for note in made.notes)


def test_nobody_reaches_a_database_whichever_port_it_has() -> None:
    made = adapted({"db": {"image": "redis:7", "ports": ["${PORT}:6379"]}})
    assert changed(made)["db", "ports"] is None
    assert not any("PORT" in note for note in made.notes)


@pytest.mark.parametrize(
    ("image", "said"),
    [("mysql:8", True), ("bitnami/mongodb", True), ("mariadb@sha256:" + "0" * 64, True), ("redis:7", False),
     ("postgres:16", False), ("mongo-express", False), ("mysqld-exporter", False)],
)  # fmt: skip
def test_a_database_that_no_release_backs_up_is_said(image: str, said: bool) -> None:
    made = adapted({"db": {"image": image}})
    assert any("backups are of PostgreSQL alone" in note for note in made.notes) == said


def test_a_dockerfile_in_the_compose_file_is_refused() -> None:
    """A release would build the file beside it, which is another service's."""
    build = {"context": ".", "dockerfile_inline": "FROM alpine"}
    with pytest.raises(WrongUse, match="`dockerfile_inline`, which no release reads"):
        adapt(
            Repository(
                "x", frozenset({"Dockerfile"}), "compose.yml", {"services": {"a": {"build": build}}}
            )
        )


def test_what_a_release_does_not_give_to_a_build_is_said() -> None:
    build = {"context": ".", "additional_contexts": {"nginx": "./shared"}, "secrets": ["npmrc"]}
    found = adapt(
        Repository(
            "x", frozenset({"Dockerfile"}), "compose.yml", {"services": {"a": {"build": build}}}
        )
    )
    (note,) = [note for note in found.notes if "does not follow" in note]
    assert note.startswith(
        "a: a release does not follow `build.additional_contexts`, `build.secrets`: "
    )


def test_an_argument_in_lower_case_is_left_out() -> None:
    build = {"context": ".", "args": {"node_env": "production"}}
    found = adapt(
        Repository(
            "x", frozenset({"Dockerfile"}), "compose.yml", {"services": {"a": {"build": build}}}
        )
    )
    assert any(
        "node_env is left out: [build] takes names in capitals" in note for note in found.notes
    )
    assert found.build == {}
