"""Forms of a Compose file that are legal: each is read as Compose means it, or refused."""

from __future__ import annotations

import pytest

from deployments.compose.checks import check
from deployments.compose.ports import numbers
from deployments.compose.reader import parse_stack
from deployments.environment.policy import Services
from deployments.errors import WrongUse

WORKER = {"image": "${WORKER_IMAGE}"}


def _config(worker=(), **more):
    return {"services": {"worker": {**WORKER, **dict(worker)}}, "x-deploy": {"v": 1}, **more}


def _parse(config):
    return parse_stack("text", config, "compose.yml")


def _refused(config) -> WrongUse:
    with pytest.raises(WrongUse) as caught:
        check(_parse(config), config, "compose.yml")
    assert (caught.value.where, caught.value.state) == ("compose.yml", "untouched")
    return caught.value


@pytest.mark.parametrize(
    "environment",
    [
        {"A": "b", "URL": "redis://:${PASSWORD}@redis/0", "TOKEN": None},
        ["A=b", "URL=redis://:${PASSWORD}@redis/0", "TOKEN"],
    ],
)
def test_a_table_and_a_list_of_variables_are_one(environment):
    stack = _parse(_config({"environment": environment}))
    assert stack.uses["worker"] == {"WORKER_IMAGE", "PASSWORD", "TOKEN"}
    assert stack.references == {"WORKER_IMAGE": None, "PASSWORD": None, "TOKEN": ""}
    assert stack.in_urls == {"PASSWORD"}


def test_a_variable_of_a_network_is_one_of_the_files():
    config = _config(networks={"default": {"name": "${NETWORK:-inner}"}})
    assert _parse(config).references["NETWORK"] == "inner"


@pytest.mark.parametrize(
    "copies", [{"deploy": {"replicas": 3}}, {"scale": 2}, {"deploy": {"replicas": "${COPIES}"}}]
)
def test_copies_that_nobody_would_follow_are_refused(copies):
    assert "`replicas` and `scale` are not followed" in _refused(_config(copies)).what


def test_a_volume_without_a_name_is_refused_where_containers_are_replaced():
    nameless = {"volumes": [{"type": "volume", "target": "/data", "volume": {}}]}
    said = _refused(_config(nameless))
    assert said.what == (
        "service worker: its volume at /data has no name, so each release would begin with an empty one"
    )
    assert said.todo.startswith("give it one: data:/data")
    away = _config({**nameless, "profiles": ["once"]})
    check(_parse(away).chosen(Services()), away, "compose.yml")


def test_infrastructure_is_made_anew_by_compose_which_keeps_its_volumes():
    config = _config({"volumes": [{"type": "volume", "target": "/data"}]})
    config["x-deploy"]["infrastructure"] = {"worker": "redis:7"}
    check(_parse(config), config, "compose.yml")


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("8003:8003", [8003]),
        ("127.0.0.1:8003:8003", [8003]),
        ("[::1]:8003:8003/tcp", [8003]),
        ("${PORT:-8003}:8003", [8003]),
        ("9000-9002:9000-9002", [9000, 9001, 9002]),
        ("8000-8010:80", []),
        ("53:53/udp", []),
        ("8003", []),
        ({"target": 80, "published": "8003", "protocol": "tcp"}, [8003]),
        ({"target": 80, "published": "8000-8010"}, []),
        ({"target": 80}, []),
    ],
)
def test_ports_that_are_taken_on_the_server(written, found):
    stack = _parse(_config({"ports": [written]}))
    assert [port for _, port in stack.published({})] == found


def test_a_port_may_be_given_with_its_address():
    stack = _parse(_config({"ports": ["${PORT:-8003}:8003"]}))
    assert stack.published({"PORT": "127.0.0.1:8004"}) == [("worker", 8004)]
    assert stack.wrong_ports({"PORT": "127.0.0.1:8004"}) == []


@pytest.mark.parametrize("text", ["80o3", "", "0", "70000", "8003-", "9-8", "-1"])
def test_what_is_no_port(text):
    assert list(numbers(text)) == []
    stack = _parse(_config({"ports": ["${PORT-}:8003"]}))
    assert stack.wrong_ports({"PORT": text}) == [f"worker publishes {text!r}, which is no port"]
