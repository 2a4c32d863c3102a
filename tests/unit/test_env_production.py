"""docker/env.production describes exactly the variables of the production Compose file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.compose.env_file import parse_secrets
from deployments.compose.references import references
from deployments.compose.stack import PROJECT_NAME, Stack
from deployments.compose.variables import configuration
from deployments.environment.schema import Environment
from deployments.errors import WrongUse
from infra.environment.locate import load

FILE = Path(__file__).resolve().parents[2] / "docker" / "env.production"
_VARIABLE = re.compile(r"^(# )?([A-Z][A-Z0-9_]*)=(.*)$")


@dataclass(frozen=True)
class Described:
    """One variable of the file; `comment` is the paragraph that it stands in."""

    name: str
    value: str
    is_set: bool
    comment: str


@pytest.fixture(scope="module")
def described() -> dict[str, Described]:
    found = {}
    for paragraph in FILE.read_text().split("\n\n"):
        lines = paragraph.splitlines()
        matches = [m for m in map(_VARIABLE.match, lines) if m]
        comment = " ".join(line.lstrip("# ") for line in lines if not _VARIABLE.match(line))
        for match in matches:
            assert match[2] not in found, f"{match[2]} stands there twice"
            found[match[2]] = Described(match[2], match[3], match[1] is None, comment)
    return found


@pytest.fixture(scope="module")
def production() -> Environment:
    return load("production").environment


@pytest.fixture(scope="module")
def of_the_deploy(production: Environment) -> set[str]:
    """Variables that the deployer reads and no container sees."""
    assert production.login is not None
    optional = {"SYSTEM_PACKAGES", "MIGRATIONS"}  # build arguments that nobody has to name
    return {production.login.user, production.login.token, *production.build, *optional}


def test_names_are_those_of_the_compose_file(
    described: dict[str, Described], of_the_deploy: set[str], compose_config: dict[str, Any],
    stack: Stack,
) -> None:  # fmt: skip
    named = set(references(json.dumps(compose_config))) - {PROJECT_NAME}
    assert described.keys() - of_the_deploy == named == set(stack.references)
    assert of_the_deploy <= described.keys()


def test_defaults_are_those_of_the_compose_file(
    described: dict[str, Described], of_the_deploy: set[str], stack: Stack
) -> None:
    needed = {n for n, d in stack.references.items() if d is None} - stack.image_variables
    logins = {n for n in of_the_deploy if described[n].is_set}
    assert {d.name for d in described.values() if d.is_set} == needed | logins
    for name, default in stack.references.items():
        if default is not None and name not in stack.image_variables:
            assert described[name].value == default


def test_images_have_no_value(described: dict[str, Described], stack: Stack) -> None:
    for name in stack.image_variables:
        assert (described[name].is_set, described[name].value) == (False, "")


def test_what_must_be_set_is_a_secret(
    described: dict[str, Described], production: Environment
) -> None:
    assert {d.name for d in described.values() if d.is_set} == set(production.secrets.names)


def test_every_variable_says_what_it_means(described: dict[str, Described]) -> None:
    assert [d.name for d in described.values() if len(d.comment) < 20] == []


def test_it_names_the_services_that_a_change_replaces(
    described: dict[str, Described], of_the_deploy: set[str], stack: Stack
) -> None:
    for each in described.values():
        if each.name in of_the_deploy | stack.image_variables:
            continue
        paragraph = {d.name for d in described.values() if d.comment == each.comment}
        users = {service for service, uses in stack.uses.items() if uses & paragraph}
        named = ", ".join(re.findall(r"\[([a-z, ]+)\]", each.comment)).split(", ")
        assert set(named) - {"deploy"} == users, each.name


def test_it_names_the_variables_that_stand_in_a_url(
    described: dict[str, Described], stack: Stack
) -> None:
    said = {d.name for d in described.values() if "in a url" in d.comment.lower()}
    assert said == stack.in_urls


def test_a_copy_that_nobody_filled_is_refused_name_by_name(
    described: dict[str, Described], production: Environment, stack: Stack
) -> None:
    copied = parse_secrets(FILE.read_text(), "copy")
    with pytest.raises(WrongUse) as refused:
        configuration(production, stack, copied, "production.toml")
    for each in described.values():
        if each.is_set:
            assert f"secret {each.name} still holds the template's placeholder" in str(
                refused.value
            )


def test_a_copy_that_was_filled_is_accepted(
    described: dict[str, Described], production: Environment, stack: Stack
) -> None:
    text = re.sub(r"=<.*>$", "=0a1b2c3d", FILE.read_text(), flags=re.MULTILINE)
    found = configuration(production, stack, parse_secrets(text, "copy"), "production.toml")
    assert found.secrets.keys() == {d.name for d in described.values() if d.is_set}
