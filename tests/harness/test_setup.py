"""`infra.orchestration.setup` against a real Prefect server: it creates once, then only asks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.settings import get_current_settings

# Before the folder below is named: other tests expect the choice as it is without it.
import flows.verify  # noqa: F401
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup import SetupChange, apply

pytestmark = pytest.mark.harness
ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = """\
v = 1
project = "acme"
directory = "/srv/acme"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "acme/{service}"
[host]
address = "127.0.0.1"
user = "deploy"
key_file = "id"
host_keys = ["ssh-ed25519 AAAA"]
[watch]
# The server plans runs of a schedule ahead; the longest interval plans the fewest.
every = 86400
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one environment that is ready."""
    made = tmp_path_factory.mktemp("environments")
    (made / "ready.toml").write_text(ENVIRONMENT)
    before = os.environ.get("HOMEGURU_ENVIRONMENTS")
    os.environ["HOMEGURU_ENVIRONMENTS"] = str(made)
    yield made
    os.environ.pop("HOMEGURU_ENVIRONMENTS")
    if before is not None:
        os.environ["HOMEGURU_ENVIRONMENTS"] = before


@pytest.fixture(scope="module")
def sent() -> list[str]:
    """Everything but questions, in the order in which it was sent."""
    return []


@pytest.fixture(scope="module")
def api(sent: list[str]) -> Iterator[PrefectApi]:
    """The harness's server; what changes it is noted in `sent`."""

    def note(request: httpx.Request) -> None:
        if request.method != "GET" and not request.url.path.endswith("/filter"):
            sent.append(f"{request.method} {request.url.path}")

    found = PrefectApi(str(get_current_settings().api.url))
    found._client.event_hooks["request"].append(note)
    yield found
    found.close()


Run = Callable[..., dict[str, str]]


@pytest.fixture
def run(api: PrefectApi, sent: list[str], folder: Path) -> Run:
    """Setup; what differed, as name to detail."""

    def again(**more: Any) -> dict[str, str]:
        sent.clear()
        found: list[SetupChange] = apply(api, lambda _: None, **more)
        return {c.name: f"{c.what} {c.detail}".strip() for c in found if c.differs}

    return again


def updated(api: PrefectApi) -> dict[str, str]:
    """When each thing was changed last, as the server says."""
    things = {"work_pools": api.post("/work_pools/filter", {})}
    for name in ("deployments", "v2/concurrency_limits", "automations", "flows"):
        things[name] = api.post(f"/{name}/filter", {"limit": 100})
    return {f"{kind} {x['name']}": x["updated"] for kind, xs in things.items() for x in xs}


def test_the_second_run_changes_nothing(run: Run, api: PrefectApi, sent: list[str]) -> None:
    first = run()
    assert first["deploy/deploy"] == "created"
    assert first["verify-ready"] == "created every 86400 s"
    assert sent
    before = updated(api)
    assert "automations homeguru: a run fell silent" in before
    assert run() == {}
    assert sent == []
    assert updated(api) == before


def test_a_changed_file_changes_exactly_that(
    run: Run, api: PrefectApi, sent: list[str], tmp_path: Path
) -> None:
    run()
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    document["deployments"][2]["tags"] = ["homeguru", "change", "careful"]
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(document))
    before = updated(api)
    assert run(file=file) == {"deploy/deploy": "changed tags"}
    assert len(sent) == 1
    after = updated(api)
    assert {k for k in after if after[k] != before[k]} == {"deployments deploy"}
    assert api.get("/deployments/name/deploy/deploy")["tags"] == ["homeguru", "change", "careful"]
    assert run() == {"deploy/deploy": "changed tags"}


def test_every_kind_of_change_is_taken_by_the_server(
    run: Run, api: PrefectApi, folder: Path
) -> None:
    run()
    ready = folder / "ready.toml"
    ready.write_text(ENVIRONMENT.replace("86400", "43200"))
    (folder / "other.toml").write_text(ENVIRONMENT)
    limit = api.post("/v2/concurrency_limits/filter", {})[0]["id"]
    api.patch(f"/v2/concurrency_limits/{limit}", {"limit": 5})
    found = run(silent_after=120, begins_within=300)
    assert found["verify-ready"] == "changed every 43200 s"
    assert found["verify-other"] == "created every 86400 s"
    assert found["env-other"] == "created"
    assert found["deploy/deploy"] == "changed form"
    assert found["a run fell silent"].startswith("changed")
    assert "changed limit 5 -> 1" in found.values()
    assert run(silent_after=120, begins_within=300) == {}

    (folder / "other.toml").write_text(ENVIRONMENT.replace("86400", "0"))
    ready.write_text(ENVIRONMENT)
    assert run()["verify-other"] == "removed its environment wants none"
    (folder / "other.toml").unlink()
    assert run()["deploy/deploy"] == "changed form without other"
    assert run() == {}


def test_containers_have_a_pool_of_their_own(run: Run, api: PrefectApi) -> None:
    run()
    variables = {"image": "homeguru-flows:1", "networks": ["homeguru"], "env": {"A": "1"}}
    found = run(pools="docker", docker_variables=variables)
    assert found["homeguru-docker"] == "created docker"
    assert found["deploy/deploy"] == "changed work pool homeguru -> homeguru-docker"
    assert "publish/publish" not in found
    assert run(pools="docker", docker_variables=variables) == {}
    known = api.get("/work_pools/homeguru-docker")["base_job_template"]["variables"]["properties"]
    assert known["image"]["default"] == "homeguru-flows:1"

    assert run()["deploy/deploy"] == "changed work pool homeguru-docker -> homeguru"
    api.delete("/work_pools/homeguru-docker")


def test_prefects_own_command_registers_the_same(
    run: Run, api: PrefectApi, folder: Path, tmp_path: Path
) -> None:
    """`prefect deploy --all` finds what we registered: after it there is nothing to do."""
    run()
    assert api.get("/deployments/name/verify/verify")["version"] is None
    variables = {
        **os.environ, "PREFECT_API_URL": api.url, "PREFECT_HOME": str(tmp_path),
        "HOMEGURU_ENVIRONMENTS": str(folder),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=ROOT,
        env=variables, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    found = api.get("/deployments/name/verify/verify")
    assert found["version"]
    assert [schedule["slug"] for schedule in found["schedules"]] == ["verify-ready"]
    assert run() == {}


def test_a_run_that_its_worker_never_began_does_not_stay_pending(run: Run, api: PrefectApi) -> None:
    run(begins_within=10)
    deployment = api.get("/deployments/name/verify/verify")["id"]
    parameters = {"parameters": {"environment": "ready"}}
    made = api.post(f"/deployments/{deployment}/create_flow_run", parameters)["id"]
    begin = time.monotonic()
    # What a worker does when it takes a run; then nothing comes.
    api.post(f"/flow_runs/{made}/set_state", {"state": {"type": "PENDING"}})
    while time.monotonic() - begin < 60:
        state = api.get(f"/flow_runs/{made}")["state"]
        if state["type"] != "PENDING":
            break
        time.sleep(0.5)
    assert state["type"] == "CRASHED"
    assert "did not begin it within 10 s" in state["message"]
    print(f"taken to crashed {time.monotonic() - begin:.0f} s")
    assert run() == {"a run never began": "changed actions, description, trigger"}
