"""What `infra.orchestration.setup` makes of prefect.yaml, and servers that it refuses.

What it creates and changes is proven on a real server: tests/harness/setup.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from deployments.errors import HomeguruError, Refused
from infra.environment.locate import load
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup import apply, how_to_start, pools, schedules, workers
from infra.orchestration.setup.declared import declared


def prefect(answers: dict[str, httpx.Response]) -> PrefectApi:
    """A server that answers these paths, and knows of nothing else."""

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path.removeprefix("/api"), httpx.Response(404))

    return PrefectApi("http://prefect/api", transport=httpx.MockTransport(answer))


def test_an_old_server_is_refused_before_anything_is_sent() -> None:
    api = prefect({"/admin/version": httpx.Response(200, json="3.3.9")})
    with pytest.raises(Refused, match=r"Prefect server 3\.3\.9 is too old"):
        apply(api, print)


def test_an_account_that_may_not_is_named() -> None:
    api = prefect({
        "/admin/version": httpx.Response(200, json="3.8.8"),
        "/block_types/slug/secret": httpx.Response(200, json={"id": "secret"}),
        "/work_pools/homeguru": httpx.Response(403),
    })  # fmt: skip
    with pytest.raises(Refused, match="account nobody may not GET /work_pools/homeguru"):
        apply(api, print)


def test_only_workers_that_are_online_count() -> None:
    known = [{"name": "a", "status": "OFFLINE"}, {"name": "b", "status": "ONLINE"}]
    api = prefect({"/work_pools/homeguru/workers/filter": httpx.Response(200, json=known)})
    assert [w["name"] for w in workers(api, "homeguru")] == ["b"]


def test_a_pools_worker_is_started_by_its_kind() -> None:
    assert how_to_start("homeguru") == "homeguru control-plane worker"
    assert how_to_start("another") == "homeguru control-plane worker --pool another"
    assert how_to_start(pools.DOCKER_POOL).endswith("--pool homeguru-docker --type docker")


def test_the_wheel_and_the_checkout_have_one_source() -> None:
    everywhere, control_plane = declared()
    assert [d.name for d in everywhere] == [
        "release", "publish", "deploy", "migrate", "verify", "rollback", "maintenance", "backup",
        "restore", "drill", "adopt", "rotate", "bootstrap",
    ]  # fmt: skip
    assert [d.name for d in control_plane] == ["archive"]
    assert all(d.pool == "homeguru" and d.description and "homeguru" in d.tags for d in everywhere)
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"prefect.yaml" = "infra/_data/prefect.yaml"' in project


def test_the_command_names_the_missing_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.cli.setup import setup

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(HomeguruError, match="PREFECT_API_URL is not set") as told:
        setup()
    assert told.value.exit_code == 2
    assert "homeguru control-plane up" in told.value.todo


def test_backups_and_drills_have_schedules_of_their_own() -> None:
    neither = load("production").environment
    backup = neither.backup.model_copy(update={"every_hours": 24, "drill_hours": 168})
    pinned = neither.host.model_copy(update={"host_keys": ("ssh-ed25519 AAAA",)})
    both = neither.model_copy(update={"host": pinned, "backup": backup})
    unpinned = neither.model_copy(update={"backup": backup})
    for verb, seconds in (("backup", 86400.0), ("drill", 604800.0)):
        entry = next(e for e in declared()[0] if e.name == verb)
        assert schedules.wanted(entry, [both, neither, unpinned]) == [{
            "slug": f"{verb}-production", "schedule": {"interval": seconds},
            "parameters": {"environment": "production"},
        }]  # fmt: skip
