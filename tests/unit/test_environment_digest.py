"""A run that was asked for with one environment does not work on another of the same name."""

from __future__ import annotations

import re

import pytest

from deployments.environment import digest
from deployments.environment.schema import Environment
from deployments.errors import Refused, WrongUse
from infra.environment.locate import load


@pytest.fixture
def environment() -> Environment:
    return load("production").environment


def changed(environment: Environment, **more: object) -> Environment:
    return environment.model_copy(update=more)


def differing(asked: dict[str, str], found: dict[str, str]) -> str:
    with pytest.raises(Refused) as refused:
        digest.check_as_requested(asked, found, "production", "/w/production.toml")
    assert refused.value.state == "untouched"
    return refused.value.what.partition("worker: ")[2]


def test_the_same_is_the_same_after_its_way_through_a_parameter(environment) -> None:
    asked = digest.digests(environment, "services: {}")
    there = digest.decoded(digest.encoded(asked))
    digest.check_as_requested(there, digest.digests(environment, "services: {}"), "production", "")


def test_each_setting_that_differs_is_named(environment) -> None:
    asked = digest.digests(environment, "services: {}")
    variables = {**environment.variables, "LLM_MODEL": "another", "NEW": "1"}
    other = digest.digests(changed(environment, variables=variables, bake_minutes=7), "services:")
    said = differing(asked, other)
    assert said == "bake_minutes, compose file, variables.LLM_MODEL, variables.NEW differ"


def test_a_checkout_need_not_know_the_server(environment) -> None:
    asked = digest.of_a_checkout(digest.digests(environment, ""))
    host = environment.host.model_copy(update={"user": "somebody", "host_keys": ()})
    digest.check_as_requested(asked, digest.digests(changed(environment, host=host), ""), "x", "")
    other = digest.digests(changed(environment, host=host, bake_minutes=7), "")
    assert differing(asked, other) == "bake_minutes differ"


def test_what_a_file_of_the_compose_file_holds_is_compared_and_named(environment) -> None:
    asked = digest.digests(environment, "", {"app.conf": "1", "same.conf": "x"})
    other = digest.digests(environment, "", {"app.conf": "2", "same.conf": "x"})
    assert differing(asked, other) == "config file app.conf differ"


def test_how_a_machine_reaches_the_server_may_differ(environment) -> None:
    asked = digest.digests(environment, "")
    host = environment.host.model_copy(update={"key_file": "~/other", "address": "server.lan"})
    secrets = environment.secrets.model_copy(update={"file": "../elsewhere.env"})
    other = changed(environment, host=host, secrets=secrets, push_registry="registry.lan:5000")
    digest.check_as_requested(asked, digest.digests(other, ""), "production", "")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    moved = changed(environment, host=host.model_copy(update={"host_keys": (key,)}))
    assert differing(asked, digest.digests(moved, "")) == "host.host_keys differ"


def test_one_short_digest_for_people_is_the_same_where_a_run_would_be_accepted(environment) -> None:
    short = digest.short(digest.digests(environment, "services: {}"))
    assert re.fullmatch(r"[0-9a-f]{12}", short)
    host = environment.host.model_copy(update={"key_file": "~/other", "address": "server.lan"})
    assert digest.short(digest.digests(changed(environment, host=host), "services: {}")) == short
    other = changed(environment, variables={**environment.variables, "LLM_MODEL": "another"})
    assert digest.short(digest.digests(other, "services: {}")) != short
    assert digest.short(digest.digests(environment, "services:")) != short


READ = "/etc/homeguru/prod.toml on worker-1, digest 0123456789ab"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("compared", f"{READ}, the same as where it was asked for"),
        ("elsewhere", f"{READ}; whoever asked has sent no digest: `homeguru plan --env prod` shows "
                      "that of another machine's file"),
        ("here", READ),
    ],
)  # fmt: skip
def test_whose_file_a_run_read_is_one_sentence(asked, said) -> None:
    assert (
        digest.read_from("prod", "/etc/homeguru/prod.toml", "worker-1", "0123456789ab", asked)
        == said
    )


def test_no_value_travels(environment) -> None:
    other = changed(environment, variables={"LLM_MODEL": "openai/gpt-private"})
    assert "gpt-private" not in digest.encoded(digest.digests(other, ""))


@pytest.mark.parametrize("text", ["x", "[1]", "3"])
def test_what_no_command_made_is_refused(text: str) -> None:
    with pytest.raises(WrongUse, match="none that the command line made"):
        digest.decoded(text)
