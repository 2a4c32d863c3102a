"""The schemas say of a file what reading it says."""

from __future__ import annotations

import tomllib

import jsonschema
import pytest
import yaml

from deployments.environment.schema import parse_environment
from infra.environment.json_schema import environment_schema, x_deploy_schema
from infra.machine.paths import docker_dir, packaged_environments


def test_the_example_is_what_the_schema_says() -> None:
    data = tomllib.loads((packaged_environments() / "production.toml").read_text())
    jsonschema.validate(data, environment_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"healthy_within": {"bot": 900}}, {"healthy_within": 60},
        {"dockerfiles": {"api": "Dockerfile", "bot": {"file": "Dockerfile", "target": "bot"}}},
        {"edge": {"domain": ""}},
    ],
)  # fmt: skip
def test_every_form_of_a_value_is_in_the_schema(change: dict) -> None:
    data = tomllib.loads((packaged_environments() / "production.toml").read_text())
    parse_environment("production", {**data, **change}, "production.toml")
    jsonschema.validate({**data, **change}, environment_schema())


@pytest.mark.parametrize("change", [{"projct": "x"}, {"project": "Home Guru"}, {"lock_wait": -1}])
def test_what_is_refused_is_outside_the_schema(change: dict) -> None:
    data = tomllib.loads((packaged_environments() / "production.toml").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, **change}, environment_schema())


def test_the_packaged_compose_file_is_what_the_schema_says() -> None:
    file = yaml.safe_load((docker_dir() / "docker-compose.prod.yml").read_text())
    jsonschema.validate(file["x-deploy"], x_deploy_schema())


def test_an_editor_explains_keys() -> None:
    schema = environment_schema()
    assert "bake_minutes" in schema["properties"]
    assert schema["properties"]["lock_wait"]["description"].startswith("Seconds that a second run")
    assert schema["$defs"]["Watch"]["properties"]["every"]["description"].startswith("Seconds")
    assert "name" not in schema["properties"]
