"""Which pool takes which runs, and who picks them up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.errors import WrongUse
from infra.orchestration.setup import pools_of, workers
from tests.harness.setup.runs import Setup

pytestmark = pytest.mark.harness
VARIABLES = {"image": "homeguru-flows:1", "networks": ["homeguru"], "env": {"TZ": "UTC"}}
IN_CONTAINERS = {
    f"{verb}/{verb}"
    for verb in (
        "deploy",
        "migrate",
        "verify",
        "rollback",
        "backup",
        "restore",
        "adopt",
        "drill",
        "bootstrap",
        "maintenance",
        "rotate",
    )
}


def test_with_containers_eleven_verbs_move_to_their_pool(setup: Setup) -> None:
    setup()
    assert pools_of(setup.api) == "process"
    changed = setup.differing(pools="docker", docker_variables=VARIABLES)
    assert changed.pop("homeguru-docker") == "created docker"
    assert changed.pop("homeguru-docker/looks") == "created 4 at a time"
    assert changed == dict.fromkeys(IN_CONTAINERS, "changed work pool homeguru -> homeguru-docker")
    assert VARIABLES.items() <= setup.job_variables("homeguru-docker").items()
    assert setup.deployment("publish")["work_pool_name"] == "homeguru"
    assert pools_of(setup.api) == "docker"
    for variables in (VARIABLES, None):
        setup(pools="docker", docker_variables=variables)
        assert setup.sent == []
    assert setup.differing()["deploy/deploy"] == "changed work pool homeguru-docker -> homeguru"


def test_another_image_changes_the_pool_and_keeps_what_people_set(setup: Setup) -> None:
    setup(pools="docker", docker_variables={**VARIABLES, "env": None})
    template = setup.api.get("/work_pools/homeguru-docker")["base_job_template"]
    template["variables"]["properties"]["env"]["default"] = {"TZ": "UTC"}
    setup.api.patch("/work_pools/homeguru-docker", {"base_job_template": template})
    variables = {"image": "homeguru-flows:2", "networks": ["homeguru"]}
    changed = setup.differing(pools="docker", docker_variables=variables)
    assert changed == {"homeguru-docker": "changed image"}
    assert setup.job_variables("homeguru-docker")["env"] == {"TZ": "UTC"}
    assert setup.job_variables("homeguru-docker")["image"] == "homeguru-flows:2"


def test_a_few_looks_are_at_work_at_a_time_and_hold_up_no_release(setup: Setup) -> None:
    assert {c.name: str(c.what) for c in setup()}["homeguru/looks"] == "created"
    queues = {q: setup.api.get(f"/work_pools/homeguru/queues/{q}") for q in ("default", "looks")}
    assert {q: queues[q]["concurrency_limit"] for q in queues} == {"default": None, "looks": 4}
    assert queues["default"]["priority"] < queues["looks"]["priority"]
    assert setup.deployment("verify")["work_queue_name"] == "looks"
    assert setup.deployment("deploy")["work_queue_name"] == "default"


def test_a_limit_of_looks_that_a_person_has_set_stays(setup: Setup) -> None:
    setup()
    queue = "/work_pools/homeguru/queues/looks"
    setup.api.patch(queue, {"concurrency_limit": 16})
    setup()
    assert (setup.sent, setup.api.get(queue)["concurrency_limit"]) == ([], 16)
    setup.api.patch(queue, {"concurrency_limit": None})
    assert setup.differing() == {"homeguru/looks": "changed 4 at a time"}


def test_the_archive_is_a_control_planes_and_stays_there(setup: Setup) -> None:
    assert not [c for c in setup() if "archive" in c.name]
    changed = setup.differing(archive=True)
    assert changed["archive/archive"] == "created"
    assert changed["archive-daily"] == "created 17 3 * * *"
    setup()
    assert setup.sent == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pools": "docker"}, "there is no work pool homeguru-docker"),
        ({"pools": "kubernetes"}, "no pools 'kubernetes'"),
        ({"pools": "docker", "docker_variables": {"imgae": "x"}}, "no job variable 'imgae'"),
        ({"file": Path("/nowhere/prefect.yaml")}, "prefect.yaml cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence(setup: Setup, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WrongUse, match=sentence):
        setup(**options)


def test_without_a_worker_it_says_how_to_start_one(setup: Setup) -> None:
    assert workers(setup.api, "homeguru") == []
    setup()
    hint = "start one: homeguru control-plane worker"
    assert any(line.endswith(hint) for line in setup.lines)
    worker = {"name": "b", "heartbeat_interval_seconds": 30}
    setup.api.post("/work_pools/homeguru/workers/heartbeat", worker)
    assert [w["name"] for w in workers(setup.api, "homeguru")] == ["b"]
    setup()
    assert not any("no worker" in line for line in setup.lines)
