"""Migrations with two heads, then a merge of them: `alembic upgrade heads`, by alembic itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, World, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.database]

ENVIRONMENT = """\
v = 1
project = "shop"
directory = "/opt/systech/sunko"
compose = "{compose}"
push_registry = "{registry}"
pull_registry = "localhost:5000"
repository = "acme/shop-{{service}}"
healthy_within = 30
[host]
address = "127.0.0.1"
port = {ssh_port}
user = "{ssh_user}"
key_file = "{ssh_key}"
host_keys = ["{host_key}"]
tunnel_registry = true
[secrets]
names = ["POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD"]
[images]
postgres = "localhost:5000/library/postgres:16"
[need]
disk_mb = 1024
[watch]
every = 0
"""
LATER = ("m3.py", "c4.py")


@pytest.fixture(scope="module")
def shop(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("shop")
    source = ROOT / "tests" / "cases" / "two-heads"
    with world_of_its_own("shop", place, f"{prefect}/api", source) as found:
        info = found.info
        text = ENVIRONMENT.format(
            compose=found.repository / "deploy" / "compose.yml", registry=info.registry,
            ssh_port=info.ssh_port, ssh_user=info.ssh_user, ssh_key=info.ssh_key,
            host_key=info.host_key,
        )  # fmt: skip
        (found.environments / "shop.toml").write_text(text)
        yield found


SECRETS = {n: f"{n.lower()}-1" for n in ("POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD")}


def ok(shop: World, *words: str) -> dict:
    return shop.ok(*words, "--env", "shop", **SECRETS)


def two_plans_at_once(shop: World, release: str) -> list[dict]:
    """A plan takes no lock: two people may look at the same time."""
    words = ("plan", release, "--env", "shop", "--json")
    started = [shop.start(*words, **SECRETS) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert shop.on_server("ls -A | grep plan- || true") == ""
    return [json.loads(stdout) for stdout, _ in said]


def publish(shop: World) -> str:
    return str(ok(shop, "publish", "--source", str(shop.repository))["name"])


def versions(shop: World) -> Path:
    return shop.repository / "mig" / "versions"


def test_two_heads_are_deployed_and_merged(shop: World) -> None:
    later = {name: (versions(shop) / name).read_text() for name in LATER}
    for name in LATER:
        (versions(shop) / name).unlink()
    shop.commit("two heads")
    found = ok(shop, "deploy", publish(shop))
    assert found["database_revision"] == "a2,b2"
    assert ok(shop, "deploy")["changed"] is False

    # Another release at the same heads has nothing to migrate.
    (versions(shop) / "a2.py").write_text((versions(shop) / "a2.py").read_text() + "# the same\n")
    shop.commit("a comment")
    found = ok(shop, "deploy", publish(shop))
    assert "migrate" not in [s["step"] for s in found["steps"]]

    for name, text in later.items():
        (versions(shop) / name).write_text(text)
    shop.commit("merged")
    merged = publish(shop)
    # Both pull what the server lacks through the tunnel, and have its image print the SQL.
    plan, another = two_plans_at_once(shop, merged)
    assert plan == another
    (migrate,) = [s for s in plan["steps"] if s["step"] == "migrate"]
    assert migrate["reason"].startswith("from a2,b2 to c4")
    assert plan["asks"] == []
    found = ok(shop, "deploy", merged)
    assert found["database_revision"] == "c4"
    assert "back up database" in [s["step"] for s in found["steps"]]
    assert ok(shop, "history")[-1]["revision"] == {"before": "a2,b2", "after": "c4"}
    assert ok(shop, "deploy")["changed"] is False


def test_the_release_before_the_merge_goes_on_with_what_was_only_added_to(shop: World) -> None:
    found = ok(shop, "rollback", "previous")
    assert found["database_revision"] == "c4"


def test_its_revisions_come_back_with_its_backup(shop: World) -> None:
    ok(shop, "deploy")
    found = ok(shop, "rollback", "previous", "--database", "restore", "--approve", "to see it")
    assert found["database_revision"] == "a2,b2"
