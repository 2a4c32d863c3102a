"""TLS: a service that is there only where a domain calls for it, and a word where none does."""

from __future__ import annotations

import json

import pytest

from deployments.compose.reader import parse_stack
from deployments.compose.references import interpolate
from deployments.compose.variables import Configuration
from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse
from deployments.planning.target import former_configuration


def test_without_a_domain_there_is_no_such_service(stack) -> None:
    plain = stack.called_for({})
    assert "tls" not in plain.services
    assert "tls" not in [s.name for s in plain.ordered]
    assert "tls" not in plain.deploy.infrastructure
    assert "tls" not in dict(plain.ports)
    assert not [
        n for n in plain.references if n.startswith(("EDGE_", "TLS_")) and n != "EDGE_IMAGE"
    ]


def test_with_a_domain_it_runs_as_any_other(stack) -> None:
    named = stack.called_for({"EDGE_DOMAIN": "homeguru.example"})
    assert [s.name for s in named.ordered] == ["postgres", "edge", "tls", "api", "frontend", "bot"]
    assert ("tls", "443") in named.ports


def test_a_domain_is_a_variable_of_the_compose_file(toml) -> None:
    found = parse_environment("prod", toml(edge={"domain": "homeguru.example"}), "prod.toml")
    assert found.variables == {"EDGE_DOMAIN": "homeguru.example"}


def test_without_a_domain_nothing_is_added(toml) -> None:
    found = parse_environment("prod", toml(edge={"email": "ops@homeguru.example"}), "prod.toml")
    assert found.variables == {}


@pytest.mark.parametrize(
    "domain", ["homeguru", "https://homeguru.example", "home guru.example", "1.2.3.4"]
)
def test_what_is_no_domain_is_refused(toml, domain: str) -> None:
    with pytest.raises(WrongUse, match=r"edge\.domain"):
        parse_environment("prod", toml(edge={"domain": domain}), "prod.toml")


def test_said_twice_is_refused(toml) -> None:
    twice = toml(edge={"domain": "homeguru.example"}, variables={"EDGE_DOMAIN": "other.example"})
    with pytest.raises(WrongUse, match="EDGE_DOMAIN"):
        parse_environment("prod", twice, "prod.toml")


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ({"api": "https://api.example.org", "frontend": "https://example.org/"}, ""),
        ({"api": "http://127.0.0.1:8003/api", "frontend": "http://localhost:3003"}, ""),
        ({"api": "http://203.0.113.7:8003", "frontend": "http://203.0.113.7:8003/x"},
         "what users send to http://203.0.113.7:8003 travels unencrypted: [edge] domain gives TLS"),
    ],
)  # fmt: skip
def test_a_plan_says_what_travels_in_clear(world, make_environment, urls, said: str) -> None:
    target = world.target()
    target = type(target)(make_environment(urls=urls), *[getattr(target, n) for n in (
        "manifest", "stack", "configuration", "edge_base")])  # fmt: skip
    notes = world.plan(target, world.bare).notes
    assert [n for n in notes if "unencrypted" in n] == ([said] if said else [])


def test_the_caddyfile_names_both(compose_config) -> None:
    text = compose_config["services"]["tls"]["environment"]["CADDYFILE"]
    shown = interpolate(
        text, {"EDGE_DOMAIN": "homeguru.example", "EDGE_EMAIL": "ops@homeguru.example"}
    )
    assert "\nhomeguru.example {\n" in shown
    assert "\napi.homeguru.example {\n" in shown
    assert "  email ops@homeguru.example\n" in shown


def test_a_probe_or_a_route_of_one_that_is_left_out_goes_with_it(compose_config) -> None:
    config = json.loads(json.dumps(compose_config))
    deploy = config["x-deploy"]
    deploy["optional"] |= {"frontend": "WITH_PAGE"}
    plain = parse_stack("text", config, "compose.yml").called_for({})
    assert "frontend" not in plain.deploy.probes
    assert plain.deploy.edge is not None
    assert list(plain.deploy.edge.routes) == ["api"]


def test_a_former_release_keeps_the_domain_of_now(stack) -> None:
    """Under which name users come is no release's business."""
    now = Configuration({}, {})
    text = "A='old'\nEDGE_DOMAIN='old.example'\n"
    found = former_configuration(text, stack, now, {"EDGE_DOMAIN": "new.example"})
    assert found.variables == {"A": "old", "EDGE_DOMAIN": "new.example"}
    assert former_configuration(text, stack, now, {}).variables == {"A": "old"}
    # An undo brings back what was.
    assert former_configuration(text, stack, now).variables["EDGE_DOMAIN"] == "old.example"


def test_mistakes_that_concern_two_keys_begin_with_their_sentence(toml) -> None:
    with pytest.raises(WrongUse) as caught:
        parse_environment("prod", toml(keep_previous=True), "prod.toml")
    assert (
        caught.value.what
        == "keep_previous needs bake_minutes: there is no window to keep it through"
    )
