"""What an environment should run: image references, env file, files to weigh."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from deployments.compose.env_file import parse_env
from deployments.compose.variables import Configuration
from deployments.errors import Refused
from deployments.planning.target import former_configuration, former_images


def test_built_images_are_named_as_the_host_pulls_them(world, make_environment, digest):
    world.environment = make_environment(pull_registry="localhost:5000")
    images = world.target().images(world.bare)
    assert images["api"] == f"localhost:5000/acme/homeguru-api@{digest('api-1')}"


def test_infrastructure_comes_from_its_own_registry_at_first(world, digest):
    images = world.target().images(world.bare)
    assert images["postgres"] == f"docker.io/library/postgres@{digest('postgres-1')}"


def test_infrastructure_keeps_the_digest_that_runs(world):
    images = world.target(postgres="postgres-2", api="api-2").images(world.settled())
    assert images["postgres"].endswith(world.digest("postgres-1"))
    assert images["api"].endswith(world.digest("api-2"))


def test_infrastructure_follows_the_release_when_asked(world):
    world.options["update_infrastructure"] = True
    images = world.target(postgres="postgres-2").images(world.settled())
    assert images["postgres"].endswith(world.digest("postgres-2"))


def test_a_pinned_image_wins(world, make_environment):
    pinned = f"mirror.example.org/postgres@{world.digest('pinned')}"
    world.environment = make_environment(images={"postgres": pinned})
    assert world.target().images(world.settled())["postgres"] == pinned


@pytest.mark.parametrize("host", ["docker.io/library", "localhost:5000"])
def test_a_pin_with_tag_and_digest_goes_by_the_digest(world, make_environment, host):
    """Docker cannot give an image named `repository:tag@digest` another tag."""
    pinned = f"{host}/postgres:16@{world.digest('pinned')}"
    world.environment = make_environment(images={"postgres": pinned})
    images = world.target().images(world.bare)
    assert images["postgres"] == f"{host}/postgres@{world.digest('pinned')}"


def test_an_undo_brings_infrastructure_back(world):
    former = f"docker.io/library/postgres@{world.digest('former')}"
    world.options["pins"] = {"postgres": former}
    assert world.target().images(world.settled())["postgres"] == former


def test_a_port_of_a_registry_is_no_tag(world, make_environment):
    world.environment = make_environment(images={"postgres": "localhost:5000/postgres"})
    images = world.target().images(world.bare)
    assert images["postgres"] == f"localhost:5000/postgres@{world.digest('postgres-1')}"


def _without(target, service):
    services = {n: i for n, i in target.manifest.services.items() if n != service}
    manifest = target.manifest.model_copy(update={"services": services})
    return replace(target, manifest=manifest)


def test_a_release_that_lacks_a_service_is_refused(world):
    target = _without(world.target(), "bot")
    with pytest.raises(Refused) as caught:
        target.images(world.bare)
    assert caught.value.what == f"release {target.manifest.name} has no image for service bot"


def test_a_release_that_lacks_an_infrastructure_digest_says_how_to_pin(world):
    target = _without(world.target(), "edge")
    with pytest.raises(Refused) as caught:
        target.images(world.bare)
    assert caught.value.what == f"release {target.manifest.name} has no digest for edge"
    assert "[images] edge = 'docker.io/library/haproxy:3.0@sha256:...'" in caught.value.todo


def test_the_env_file_holds_variables_and_references(world):
    env = world.target({"COLLECTOR_MODE": "real"}).env(world.bare)
    assert env["COLLECTOR_MODE"] == "real"
    assert env["API_IMAGE"].startswith("ghcr.io/acme/homeguru-api@sha256:")
    assert not {n for n in env if "PASSWORD" in n}


def test_the_env_file_of_now_names_what_runs(world):
    seen = world.settled()
    env = world.target({"COLLECTOR_MODE": "demo"}, api="api-2").env_now(seen)
    assert env["API_IMAGE"] == seen.of("api")[0].ref
    assert env["COLLECTOR_MODE"] == "demo"


def test_files_to_weigh_hold_only_secrets_that_the_stack_uses(world):
    files = world.target().candidate_files(world.bare)
    assert files["compose.yml"] == world.stack.text
    assert "REGISTRY_TOKEN" not in files["secrets.env"]
    assert parse_env(files["secrets.env"])["JWT_SECRET_KEY"] == "value-of-JWT_SECRET_KEY"
    assert "value-of" not in files[".env"]


def test_a_former_release_runs_with_the_secrets_of_now(world):
    now = Configuration({"A": "new"}, {"S": SecretStr("now")})
    found = former_configuration("A='old'\nAPI_IMAGE='x@sha256:1'\n", world.stack, now)
    assert found.variables == {"A": "old"}
    assert found.secrets == now.secrets


def test_images_of_a_former_release(world):
    text = "API_IMAGE='r/api@sha256:1'\nBOT_IMAGE='r/bot:latest'\n"
    assert former_images(text, world.stack) == {"api": "r/api@sha256:1"}


def test_the_edge_shows_the_status_page_where_the_environment_says_so(world, make_environment):
    before = world.target().edge_config(world.settled())
    assert "status.map" not in before
    world.environment = make_environment(edge={"status_page": "/ops/status"})
    after = world.target().edge_config(world.settled())
    (rule,) = [line for line in after.splitlines() if "status.map" in line]
    assert "{ path /ops/status }" in rule
    assert after.replace(f"{rule}\n", "") == before
    # It reaches no container: the Compose file reads nothing of it.
    assert world.environment.variables == make_environment().variables
