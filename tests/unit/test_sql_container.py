"""The container that prints SQL for a plan: what it is given. By a real engine: tests/e2e."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import SecretStr

from deployments.compose.env_file import parse_env
from deployments.compose.reader import parse_stack
from deployments.compose.stack import Process
from deployments.database import sql_container


def made(process: Process) -> dict[str, object]:
    text = sql_container.compose_file(process, "r/api@sha256:1")
    service: dict[str, object] = json.loads(text)["services"]["sql"]
    return service


def test_of_the_service_it_has_only_what_its_code_needs_to_start(stack, compose_config):
    body = compose_config["services"]["migrate"]
    risky = {
        "privileged": True, "cap_add": ["SYS_ADMIN"], "networks": ["default"], "pid": "host",
        "volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/run/docker.sock"}],
        "env_file": ["secrets.env"], "secrets": [{"source": "x"}], "devices": ["/dev/sda"], "user": "10001",
        "extra_hosts": ["postgres:10.0.0.1"], "entrypoint": ["/entry"], "working_dir": "/srv",
        "security_opt": ["seccomp:unconfined"], "ports": ["80:80"], "depends_on": ["postgres"],
    }  # fmt: skip
    services = {**compose_config["services"], "migrate": {**body, **risky}}
    read = parse_stack("", {**compose_config, "services": services}, "x")
    service = made(read.processes["migrate"])
    assert set(service) == {
        "image", "pull_policy", "init", "restart", "network_mode", "cap_drop", "security_opt",
        "read_only", "tmpfs", "pids_limit", "mem_limit", "cpu_shares", "logging", "healthcheck",
        "environment", "user", "entrypoint", "working_dir",
    }  # fmt: skip
    assert (service["network_mode"], service["cap_drop"]) == ("none", ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(t.startswith("/run/docker.sock:") for t in service["tmpfs"])


def test_passwords_that_stand_in_the_compose_file_are_not_given_on():
    given = made(Process({}, {
        "DATABASE_URL": "postgresql+asyncpg://postgres:letmein@postgres/app", "PGPASSWORD": "letmein",
        "API": "https://api.example.org/x@y", "CACHE": "redis://:letmein@redis:6379/0",
    }))["environment"]  # fmt: skip
    assert "letmein" not in json.dumps(given)
    assert given["API"] == "https://api.example.org/x@y"
    assert given["DATABASE_URL"].startswith("postgresql+asyncpg://")


FERNET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("postgresql+asyncpg://u:hunter22@db:5432/app?ssl=require", r"postgresql\+asyncpg://\S+"),
        ("4711", r"\d+"), ("7712345678:AAHsecret-x_y", r"\d+:[\w-]{35}"),
        ("c0ffee00c0ffee00c0ffee00c0ffee00", "[0-9a-f]{32,}"), ('{"key": "hunter22"}', r"\{\}"),
        ("9b2d7a10-5c3e-4f6a-8b1d-2e3f4a5b6c7d", "[0-9a-f-]{36}"), (FERNET, "[A-Za-z0-9_-]{43}="),
        ("hunter22", r"\S{32,}"), ("{broken", r"\S{32,}"),
    ],
)  # fmt: skip
def test_what_stands_for_a_secret_has_its_form_and_nothing_of_it(value, form):
    same = sql_container.dummy(value)
    assert re.fullmatch(form, same)
    assert same != value and "hunter22" not in same


def test_plain_variables_keep_their_value_and_secrets_win():
    secrets = {"TOKEN": SecretStr("hunter22"), "MODE": SecretStr("hunter22")}
    text = sql_container.env_file({"MODE": "real", "LEVEL": "it's 3"}, secrets)
    found = parse_env(text)
    assert found["LEVEL"] == "it's 3"
    assert "hunter22" not in text
    assert set(found) == {"MODE", "LEVEL", "TOKEN"}


def test_no_length_is_told():
    assert sql_container.dummy("hunter2") == sql_container.dummy("hunter2" * 9)
    assert sql_container.dummy("1:a") == sql_container.dummy("77123:hunter2")
