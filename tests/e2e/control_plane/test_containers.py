"""Who holds the engine's socket, who holds a secret: as the engine itself says."""

from __future__ import annotations

import json

import pytest

from deployments.errors import HomeguruError
from infra.engine.client import docker
from infra.environment.secrets import SecretsFile
from tests.e2e.control_plane.control import inspect, run_of

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]
SERVICES = ("postgres", "server", "worker-docker", "worker", "guard", "gateway")


@pytest.fixture(scope="module")
def secrets(control) -> list[str]:
    """Every secret that is at work here."""
    file = control.demo.state / "here" / "sandbox.secrets.env"
    names = [line.partition("=")[0] for line in file.read_text().splitlines()]
    values = [SecretsFile(file).get(name) for name in names]
    plane = control.demo.plane.state.folder
    ours = [(plane / n).read_text().strip() for n in ("encryption-key", "postgres-password")]
    passwords = json.loads((control.demo.state / "passwords.json").read_text()).values()
    found = [v for v in [*values, *ours, *passwords] if v]
    assert len(found) > 8
    return found


@pytest.fixture(scope="module")
def run(control) -> str:
    """A run whose container has ended, and is still there."""
    ended = control.homeguru("verify", "--env", "sandbox", "--json")
    assert ended.code == 0, ended.stdout + ended.stderr
    return run_of(ended.stderr)


def test_the_docker_worker_alone_has_the_socket(control, run: str) -> None:
    names = {s: control.container(s) for s in SERVICES} | {"flow": control.flow_container(run)}
    mounts = {s: [m["Source"] for m in inspect(name)["Mounts"]] for s, name in names.items()}
    with_socket = [s for s, found in mounts.items() if any("docker.sock" in m for m in found)]
    assert with_socket == ["worker-docker"]
    # Nothing of the host is mounted, in any of them.
    kinds = {m["Type"] for name in names.values() for m in inspect(name)["Mounts"]}
    assert kinds == {"volume", "bind"}
    binds = [m for n in names.values() for m in inspect(n)["Mounts"] if m["Type"] == "bind"]
    assert [m["Source"] for m in binds] == ["/var/run/docker.sock"]


def test_a_flow_runs_without_privileges(control, run: str) -> None:
    found = inspect(control.flow_container(run))
    assert found["Config"]["User"] == "10001:10001"
    host = found["HostConfig"]
    assert (host["Privileged"], host["CapDrop"], host["CapAdd"]) == (False, ["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert all(not m["RW"] for m in found["Mounts"])
    assert list(found["NetworkSettings"]["Networks"]) == [control.demo.project]


def test_no_secret_is_in_a_container_or_a_job_template(
    control, run: str, secrets: list[str]
) -> None:
    pools = control.post("/work_pools/filter", {})
    runs = control.post("/flow_runs/filter", {})
    deployments = control.post("/deployments/filter", {})
    names = [*map(control.container, SERVICES), control.flow_container(run)]
    inspected = [docker("inspect", name) for name in names]
    logs = [docker("logs", name) for name in names if "gateway" not in name]
    shown = "\n".join([*map(json.dumps, (pools, runs, deployments)), *inspected, *logs])
    assert len(pools) == 2
    assert [n for n, value in enumerate(secrets) if value in shown] == []


def test_a_run_cannot_choose_where_and_how_it_runs(control) -> None:
    for pool in control.post("/work_pools/filter", {}):
        template = pool["base_job_template"]
        assert "{{" not in json.dumps(template["job_configuration"])
        assert template["variables"]["additionalProperties"] is False
    deployment = control.get("/deployments/name/verify/verify")["id"]
    chosen = ({"command": "id"}, {"image": "debian"}, {"volumes": ["/:/host"]}, {"env": {"A": "b"}},
              {"privileged": True}, {"networks": ["host"]})  # fmt: skip
    for variables in chosen:
        body = {"parameters": {"environment": "sandbox"}, "job_variables": variables}
        # A person may create runs as he likes: the pool, not the gateway, refuses.
        with pytest.raises(HomeguruError, match=r"409|422"):
            control.post(f"/deployments/{deployment}/create_flow_run", body)


def test_a_block_is_unreadable_in_the_database(control, secrets: list[str]) -> None:
    words = ("exec", control.container("postgres"), "pg_dump", "-U", "prefect", "prefect")
    dump = docker(*words, timeout=120)
    assert "homeguru-sandbox-jwt-secret-key" in dump
    assert [n for n, value in enumerate(secrets) if value in dump] == []
    key = control.demo.plane.state.folder / "encryption-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
