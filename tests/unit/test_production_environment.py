"""production.toml: HomeGuru's real server, and a description of every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from deployments.compose.stack import Stack
from deployments.environment.schema import (
    BackupPolicy,
    EdgeSettings,
    Environment,
    HostAddress,
    Need,
    Notices,
    OffHostCopy,
    Retention,
    Secrets,
    Services,
    Signatures,
    Verify,
    Watch,
    parse_environment,
)
from deployments.errors import ExitCode, Refused
from infra.environment.locate import Located, load
from infra.ssh.connection import Remote


@pytest.fixture(scope="module")
def located() -> Located:
    return load("production")


@pytest.fixture(scope="module")
def production(located: Located) -> Environment:
    return located.environment


def test_the_server(production: Environment) -> None:
    assert production.ssh == "systech@92.255.78.249:22"
    assert production.directory == "/opt/systech/sunko"
    assert production.project == "homeguru"


def test_the_ports_and_addresses(production: Environment, stack: Stack) -> None:
    assert production.urls == {
        "api": "http://92.255.78.249:8003",
        "frontend": "http://92.255.78.249:3003",
    }
    assert production.variables == {"API_PORT": "8003", "FRONTEND_PORT": "3003"}
    assert production.build == {"NEXT_PUBLIC_API_URL": production.urls["api"]}
    outside = {p.outside.url for p in stack.deploy.probes.values() if p.outside}
    assert outside == production.urls.keys()


def test_images_lie_at_ghcr(production: Environment) -> None:
    assert production.push_registry == production.pull_registry == "ghcr.io"
    assert production.repository_of("api") == "systech/homeguru-api"
    assert production.manifests == "systech/homeguru-release"
    assert production.login is not None
    assert (production.login.user, production.login.token) == ("REGISTRY_USER", "REGISTRY_TOKEN")


def test_key_and_secrets_lie_where_it_says(located: Located) -> None:
    assert located.key_file == Path("~/.ssh/homeguru_deploy").expanduser().resolve()
    secrets = located.beside(located.environment.secrets.file)
    assert secrets == located.file.resolve().with_name("production.secrets.env")


def test_no_secret_is_in_it(production: Environment) -> None:
    assert not set(production.secrets.names) & (production.variables | production.build).keys()


def test_every_value_that_the_compose_file_needs_is_named(
    production: Environment, stack: Stack
) -> None:
    needed = {n for n, default in stack.references.items() if default is None}
    given = {*production.secrets.names, *production.variables}
    assert needed - stack.image_variables <= given


def test_without_a_pinned_key_it_is_refused_before_any_contact(located: Located) -> None:
    assert located.environment.host.host_keys == ()
    with pytest.raises(Refused, match="no host key is pinned") as refused:
        Remote(located.environment, located.key_file).open()
    assert refused.value.exit_code == ExitCode.REFUSED
    assert refused.value.state == "not contacted"
    assert "/etc/ssh/ssh_host_ed25519_key.pub" in refused.value.todo


def _with_optional_keys(text: str) -> str:
    """The file with every commented key and table in effect."""
    return re.sub(r"^# (?=\[[a-z_.]+\]$|[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_every_optional_key_is_shown_and_valid(located: Located) -> None:
    shown = parse_environment(
        "production", tomllib.loads(_with_optional_keys(located.file.read_text())), "production"
    )
    sections: list[tuple[BaseModel, type[BaseModel]]] = [
        (shown, Environment), (shown.host, HostAddress), (shown.secrets, Secrets),
        (shown.verify, Verify), (shown.services, Services), (shown.need, Need),
        (shown.watch, Watch), (shown.backup, BackupPolicy), (shown.notices, Notices),
        (shown.off_host, OffHostCopy), (shown.retention, Retention), (shown.edge, EdgeSettings),
        (shown.signatures, Signatures),
    ]  # fmt: skip
    for section, model in sections:
        # The environment's name is its file's.
        assert section.model_fields_set == model.model_fields.keys(), model.__name__
    assert shown.images.keys() == {"postgres", "edge", "tls"}


def test_what_is_shown_as_default_is_the_default(located: Located) -> None:
    text = located.file.read_text()
    shown = parse_environment("production", tomllib.loads(_with_optional_keys(text)), "production")
    plain = located.environment
    examples = {"compose", "images", "dockerfiles"}
    assert shown.model_dump(exclude=examples) == plain.model_dump(exclude=examples)
    assert located.beside(shown.compose).name == located.compose_file.name


def test_the_images_shown_are_those_of_the_compose_file(located: Located, stack: Stack) -> None:
    shown = tomllib.loads(_with_optional_keys(located.file.read_text()))["images"]
    assert shown == stack.deploy.infrastructure


def test_every_key_has_a_comment_above_it(located: Located) -> None:
    lines = located.file.read_text().splitlines()
    keys = [
        n for n, line in enumerate(lines) if re.match(r"(# )?([A-Za-z_]+ = |\[[a-z_]+\])", line)
    ]
    bare = [
        lines[n] for n in keys
        if not lines[n - 1].startswith("# ") or re.match(r"# [A-Za-z_]+ = ", lines[n - 1])
    ]  # fmt: skip
    assert bare == []
