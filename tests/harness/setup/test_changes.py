"""`infra.orchestration.setup` against a real Prefect server: it creates once, then only asks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.machine.paths import packaged_environments
from tests.harness.setup.runs import ROOT, Setup, edited, environment

pytestmark = pytest.mark.harness


def test_everything_is_created_and_a_second_run_only_asks(setup: Setup) -> None:
    first = setup()
    assert {c.kind for c in first if c.what == "created"} == {
        "work pool", "work queue", "limit", "deployment", "schedule", "automation",
    }  # fmt: skip
    assert len([c for c in first if c.kind == "deployment"]) == 13
    assert setup.lines[-1] == "19 created"
    assert "deployment  deploy/deploy                          created" in setup.lines
    assert (
        "schedule    verify-ready                           created: every 86400 s" in setup.lines
    )
    before = setup.updated()
    assert "automations homeguru: a run fell silent" in before

    second = setup()
    assert setup.sent == []
    assert setup.updated() == before
    assert {c.what for c in second} == {"unchanged", "missing"}
    assert setup.lines[-1] == "nothing to do"


def test_a_changed_file_changes_exactly_that(setup: Setup, tmp_path: Path) -> None:
    setup()
    tags = ["homeguru", "change", "careful"]
    file = edited(tmp_path, "deploy", tags=tags, description="Another sentence.")
    before = setup.updated()
    changed = [str(c).split() for c in setup(file=file) if c.differs]
    assert changed == [["deployment", "deploy/deploy", "changed:", "description,", "tags"]]
    assert setup.lines[-1] == "1 changed"
    assert len(setup.sent) == 1
    after = setup.updated()
    assert {k for k in after if after[k] != before[k]} == {"deployments deploy"}
    assert setup.deployment("deploy")["tags"] == tags
    assert setup.deployment("deploy")["description"] == "Another sentence."
    assert setup.differing() == {"deploy/deploy": "changed description, tags"}


def test_a_new_environment_changes_forms_limit_and_schedule(setup: Setup, folder: Path) -> None:
    setup()
    (folder / "stage.toml").write_text(environment(43200))
    changed = {(c.kind, c.name, c.detail) for c in setup() if c.differs}
    assert ("limit", "env-stage", "") in changed
    assert ("schedule", "verify-stage", "every 43200 s") in changed
    assert ("deployment", "deploy/deploy", "form") in changed
    assert len(changed) == 15
    assert setup.differing() == {}
    (folder / "stage.toml").unlink()
    assert setup.differing()["deploy/deploy"] == "changed form without stage"


def test_schedules_follow_the_environments(setup: Setup, folder: Path) -> None:
    ready = folder / "ready.toml"
    (folder / "unpinned.toml").write_text(environment(host_keys=()))
    (folder / "unwatched.toml").write_text(environment(0))
    setup()
    [schedule] = setup.schedules()
    assert schedule["slug"] == "verify-ready"
    assert schedule["parameters"] == {"environment": "ready"}

    ready.write_text(environment(43200))
    assert setup.differing() == {"verify-ready": "changed every 43200 s"}
    assert setup.schedules()[0]["schedule"]["interval"] == 43200

    ready.write_text(environment(0))
    assert setup.differing() == {"verify-ready": "removed its environment wants none"}
    assert setup.schedules() == []


@pytest.mark.parametrize("unpinned", [True, False])
def test_a_schedule_that_another_machine_set_up_is_not_removed(
    setup: Setup, folder: Path, unpinned: bool
) -> None:
    setup()
    if unpinned:
        (folder / "ready.toml").write_text(environment(host_keys=()))
    else:
        (folder / "ready.toml").unlink()
    assert [(c.name, c.what) for c in setup() if c.kind == "schedule"] == [
        ("verify-ready", "left over")
    ]
    assert [s["slug"] for s in setup.schedules()] == ["verify-ready"]


def test_a_deployment_that_is_not_named_any_more_is_reported_and_stays(
    setup: Setup, tmp_path: Path
) -> None:
    setup()
    changes = setup(file=edited(tmp_path, "adopt"))
    assert [c.name for c in changes if c.what == "left over"] == ["adopt/adopt"]
    # The automations do not watch its runs any more.
    assert {path.split("/")[1] for path in setup.sent} == {"automations"}
    assert len(setup.all("deployments")) == 13


def test_another_patience_changes_the_automation(setup: Setup) -> None:
    setup()
    changed = setup.differing(silent_after=120)
    assert list(changed) == ["a run fell silent"]
    assert [line.split()[0] for line in setup.sent] == ["PUT"]
    [automation] = [a for a in setup.all("automations") if "silent" in a["name"]]
    assert automation["trigger"]["within"] == 120
    assert automation["actions"][0]["state"] == "CRASHED"
    assert setup.differing(silent_after=120) == {}


def test_only_runs_of_our_flows_are_watched(setup: Setup) -> None:
    setup()
    for automation in setup.all("automations"):
        related = automation["trigger"]["match_related"]
        assert related["prefect.resource.role"] == "flow"
        assert related["prefect.resource.name"] == [
            "adopt", "backup", "bootstrap", "deploy", "drill", "maintenance", "migrate", "publish", "release",
            "restore", "rollback", "rotate", "verify",
        ]  # fmt: skip


def test_prefects_own_command_registers_the_same(
    setup: Setup, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`prefect deploy --all` finds what we registered: after it there is nothing to do."""
    # A process of its own knows the packaged environments too.
    monkeypatch.setattr("infra.environment.folders.packaged_environments", packaged_environments)
    setup()
    assert setup.deployment("verify")["version"] is None
    variables = {
        **os.environ, "PREFECT_API_URL": setup.api.url, "PREFECT_HOME": str(tmp_path),
        "HOMEGURU_ENVIRONMENTS": str(folder),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=ROOT,
        env=variables, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    registered = setup.deployment("verify")
    assert registered["version"]
    assert [schedule["slug"] for schedule in registered["schedules"]] == ["verify-ready"]
    assert setup.differing() == {}


def test_a_run_that_its_worker_never_began_does_not_stay_pending(setup: Setup) -> None:
    setup(begins_within=10)
    deployment = setup.deployment("verify")["id"]
    parameters = {"parameters": {"environment": "ready"}}
    made = setup.api.post(f"/deployments/{deployment}/create_flow_run", parameters)["id"]
    begin = time.monotonic()
    # What a worker does when it takes a run; then nothing comes.
    setup.api.post(f"/flow_runs/{made}/set_state", {"state": {"type": "PENDING"}})
    while time.monotonic() - begin < 60:
        state = setup.api.get(f"/flow_runs/{made}")["state"]
        if state["type"] != "PENDING":
            break
        time.sleep(0.5)
    assert state["type"] == "CRASHED"
    assert "did not begin it within 10 s" in state["message"]
    print(f"taken to crashed {time.monotonic() - begin:.0f} s")
    assert setup.differing() == {"a run never began": "changed actions, description, trigger"}
