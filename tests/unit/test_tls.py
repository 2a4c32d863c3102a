"""TLS: a service that is there only where a domain calls for it, and a word where none does."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from deployments.compose.checks import check
from deployments.compose.reader import parse_stack
from deployments.compose.references import interpolate
from deployments.compose.variables import Configuration, configuration
from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse
from deployments.planning.target import Target, former_configuration


def test_without_a_domain_there_is_no_such_service(stack) -> None:
    plain = stack.called_for({})
    assert "tls" not in plain.services
    assert "tls" not in [s.name for s in plain.ordered]
    assert "tls" not in plain.deploy.infrastructure
    assert "tls" not in dict(plain.ports)
    assert not [
        n
        for n in plain.references.keys() - {"EDGE_IMAGE", "EDGE_ADDRESS"}
        if n.startswith(("EDGE_", "TLS_"))
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


BESIDE = "beside https://homeguru.example anybody may use port 8003 and 3003, unencrypted: "
KNOWN = "acl known_proxy src {}\n"


def edge_of(world, make_environment, stack, **edge) -> tuple[list[str], str]:
    """Notes of a plan on the edge's open ports, and the edge's file."""
    of = world.target()
    values = Configuration({**of.configuration.variables}, of.configuration.secrets)
    urls = {"api": "https://api.homeguru.example"}
    images = {"tls": f"docker.io/library/caddy@sha256:{'c' * 64}"}
    environment = make_environment(urls=urls, edge=edge, images=images)
    target = Target(environment, of.manifest, stack, values, "")
    notes = [n for n in world.plan(target, world.bare).notes if "unencrypted" in n]
    return notes, target.edge_config(world.bare)


def test_a_domain_beside_which_the_ports_stay_open_is_told_of(
    world, make_environment, stack
) -> None:
    domain = {"domain": "homeguru.example"}
    stack = stack.called_for({"EDGE_DOMAIN": "homeguru.example"})
    notes, config = edge_of(world, make_environment, stack, **domain)
    assert notes == [f'{BESIDE}[edge] listen = "127.0.0.1" closes them']
    assert "acl known_proxy dst_port 18003\n" in config
    assert "known_proxy src" not in config
    notes, config = edge_of(world, make_environment, stack, listen="127.0.0.1", **domain)
    assert notes == []
    assert "known_proxy src" not in config
    before = replace(stack, named=stack.named - {"EDGE_ADDRESS"})
    notes, _ = edge_of(world, make_environment, before, listen="127.0.0.1", **domain)
    assert notes == [f"{BESIDE}the release does not read [edge] listen"]


def test_whose_word_the_edge_takes(world, make_environment, stack) -> None:
    def known(stack, **edge) -> list[str]:
        config = edge_of(world, make_environment, stack, **edge)[1]
        return re.findall(r"acl known_proxy src (.*)", config)[:1]

    plain = stack.called_for({})
    assert known(plain) == []
    assert known(plain, proxies=["203.0.113.7", "2001:db8::/32"]) == ["203.0.113.7 2001:db8::/32"]
    # Nobody but a proxy on the server itself gets there.
    assert known(plain, listen="127.0.0.1") == ["0.0.0.0/0 ::/0"]
    assert known(plain, listen="10.0.0.5") == []
    assert known(replace(plain, named=frozenset()), listen="127.0.0.1") == []
    # A Compose file from before `tls_listen`: what terminates TLS comes by the published port.
    part = stack.deploy.edge
    routes = {n: r.model_copy(update={"tls_listen": None}) for n, r in part.routes.items()}
    deploy = stack.deploy.model_copy(update={"edge": part.model_copy(update={"routes": routes})})
    assert known(replace(stack, deploy=deploy), domain="homeguru.example") == ["0.0.0.0/0 ::/0"]


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        ({"listen": "localhost"}, r"edge\.listen.*an address reads 127\.0\.0\.1"),
        ({"listen": "127.0.0"}, r"edge\.listen"),
        ({"proxies": ["example.org"]}, r"edge\.proxies.*203\.0\.113\.0/24"),
        ({"proxies": ["10.0.0.1/8"]}, r"edge\.proxies.*host bits"),
    ],
)
def test_what_is_no_address_is_refused(toml, edge, said) -> None:
    with pytest.raises(WrongUse, match=said):
        parse_environment("prod", toml(edge=edge), "prod.toml")


def test_an_address_that_the_compose_file_does_not_read_is_refused(make_environment, stack) -> None:
    environment = make_environment(edge={"listen": "127.0.0.1"})
    assert environment.variables["EDGE_ADDRESS"] == "127.0.0.1"
    before = replace(stack.called_for({}), named=stack.named - {"EDGE_ADDRESS"})
    with pytest.raises(WrongUse, match="the Compose file does not read it"):
        configuration(environment, before, {}, "here")


def test_a_port_on_which_tls_is_believed_is_not_published(compose_config) -> None:
    config = json.loads(json.dumps(compose_config))
    found = parse_stack("text", config, "compose.yml")
    check(found, config, "compose.yml")
    for port in ("18003:18003", "127.0.0.1:1:18003/tcp", {"target": 18003, "published": "1"}):
        config["services"]["edge"]["ports"] = [port]
        with pytest.raises(WrongUse, match="publishes port 18003"):
            check(found, config, "compose.yml")


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
