"""What grows with the history and with the application: releases in the ledger, services.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.history.ledger import FIRST, Line
from infra.engine.client import docker
from infra.orchestration.api.client import PrefectApi
from infra.sandbox.sandbox import SandboxInfo
from tests.benchmarks.document import write_table
from tests.benchmarks.many import application, environment
from tests.e2e.conftest import World, git, say, world_in, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
RELEASES = (1, 20, 200)
SERVICES = (1, 5, 20, 50)
VERBS = {
    "plan": ("plan", "{release}"), "no-change deploy": ("deploy", "{release}"), "status": ("status",),
    "history": ("history",), "audit verify": ("audit", "verify"),
}  # fmt: skip
TIMES = 3


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("growth", tmp_path_factory.mktemp("growth"), "") as found:
        name = found.publish()
        assert found.homeguru("deploy", name, "--env", "sandbox").code == 0
        yield found


def grown(world: World, many: int) -> None:
    """The ledger of a host that had `many` releases, each with its folder and journal."""
    (first,) = [Line.model_validate(line) for line in world.ledger()[-1:]]
    lines, before = [], FIRST
    for number in range(1, many + 1):
        release = f"{number}-{first.manifest}"
        seen = {"seq": number, "release": release, "prev": before, "run": f"run-{number}"}
        previous = f"{number - 1}-{first.manifest}" if number > 1 else None
        lines.append(first.model_copy(update={**seen, "previous": previous}).to_json())
        before = hashlib.sha256(lines[-1].encode()).hexdigest()
    folder = world.on_server("cat current").strip()
    ledger = "/opt/systech/sunko/releases.jsonl"
    text = "".join(f"{line}\n" for line in lines).encode()
    docker("exec", "-i", "-u", "systech", world.info.server, "tee", ledger, data=text)
    world.on_server(
        "journal=$(ls journal/*.jsonl | head -n 1); "
        f"for n in $(seq 1 {many}); do release=$n-{first.manifest}; "
        f'[ -e "releases/$release" ] || cp -r "releases/{folder}" "releases/$release"; '
        f'cp "$journal" "journal/run-$n.jsonl"; done; echo "{many}-{first.manifest}" > current'
    )


def least(work: Callable[[], object]) -> str:
    """Seconds of the fastest of some."""
    took = []
    for _ in range(TIMES):
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)
    return f"{min(took):.1f}"


def test_releases(world: World) -> None:
    rows = [["releases", *VERBS]]
    release = world.ledger()[-1]["manifest"]
    for many in RELEASES:
        grown(world, many)
        rows.append([str(many)])
        for words in VERBS.values():
            filled = [word.format(release=release) for word in words]
            rows[-1].append(least(lambda w=filled: ok(world, *w)))  # type: ignore[misc]
    say(write_table("growth", rows))


def ok(world: World, *words: str) -> None:
    ended = world.homeguru(*words, "--env", "sandbox")
    assert ended.code == 0, ended.stdout + ended.stderr


def test_services(world: World, tmp_path: Path) -> None:
    head = [
        "services",
        "plan",
        "first deploy",
        "no change",
        "all replaced",
        "Docker alone",
        "status",
    ]
    rows = [head]
    for many in SERVICES:
        env = f"many{many}"
        source = replace(world, repository=tmp_path / env)
        environment(world.info, world.environments, env, application(source.repository, many))
        git(source.repository, "init", "-q", "-b", "main")
        source.commit("one")

        def go(*words: str, env: str = env) -> dict:
            return dict(world.ok(*words, "--env", env))

        def publish(source: World = source) -> str:
            return str(go("publish", "--source", str(source.repository))["name"])

        first = publish()
        row = [str(many), least(lambda: go("plan", first))]  # noqa: B023
        row += [seconds(go("deploy", first)), seconds(go("deploy", first))]
        (source.repository / "version").write_text("two\n")
        source.commit("two")
        row += [seconds(go("deploy", publish())), docker_alone(world, env, many)]
        row += [least(lambda: go("status"))]
        rows.append(row)
    say(write_table("services", rows))


ALONE = """
image=$(docker inspect -f '{{{{.Image}}}}' "$(docker ps -q --filter label=com.docker.compose.project={env} | head -n 1)")
began=$(date +%s%N)
for _ in $(seq {many}); do echo "$image"; done | xargs -P 4 -I@ docker create --init --health-cmd 'test -f /version' \
  --health-interval 10s --health-start-period 20s --health-start-interval 1s @ sleep infinity > /tmp/alone
xargs -P 4 -n 1 docker start < /tmp/alone >/dev/null
xargs docker stop < /tmp/alone >/dev/null
xargs docker rm < /tmp/alone >/dev/null
echo $((($(date +%s%N) - began) / 1000000))
"""


def docker_alone(world: World, env: str, many: int) -> str:
    """Seconds of as many containers made, started, stopped and removed, four at a time; none is waited for."""
    return f"{int(world.on_server(ALONE.format(env=env, many=many))) / 1000:.1f}"


def seconds(summary: dict) -> str:
    """Of the flow's own work, without the start of Python and of Prefect."""
    return f"{summary['seconds']:.1f}"


def test_runs_in_the_history(world_with_runs: World) -> None:
    """Prefect's history holds every look and every release, of all environments."""
    world = world_with_runs
    release = str(
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))["release"]
    )
    words = {**VERBS, "no-change deploy": ("deploy", release.partition("-")[2])}
    del words["plan"]
    rows, there = [["flow runs", *words]], 0
    api = PrefectApi(world.api)
    flow = api.post("/flows/", {"name": "deploy"})["id"]
    for many in (0, 100, 1000):
        for _ in range(many - there):
            state = {"type": "COMPLETED", "name": "Completed"}
            run = {"flow_id": flow, "state": state, "parameters": {"environment": "another"}}
            api.post("/flow_runs/", run)
        there = many
        rows.append([str(many), *[least(lambda w=w: ok(world, *w)) for w in words.values()]])
    say(write_table("runs", rows))


@pytest.fixture(scope="module")
def world_with_runs(
    info: SandboxInfo, environments: Path, folder: Path, state: Path, prefect: str
) -> World:
    """The sandbox with Prefect's server and its process worker."""
    return world_in(folder, info, environments, prefect, state)
