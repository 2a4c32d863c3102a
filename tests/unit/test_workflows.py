"""What every workflow keeps to, beside what actionlint and zizmor ask."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.stand_in_runner import LEFT_OUT, calls, steps, workflow

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted(f.stem for f in (ROOT / ".github/workflows").glob("*.yml"))
EXAMPLES = sorted(f.stem for f in (ROOT / "doc/examples").glob("*.yml"))
ALL = [*WORKFLOWS, "action"]
COMMANDS = {"build", "deploy", "release", "rollback", "verify", "cancel", "sync-secrets"}


def triggers(found: dict[str, Any]) -> dict[str, Any]:
    """YAML 1.1 reads `on` as true."""
    return found[True]  # type: ignore[index]


def example(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "doc/examples" / f"{name}.yml").read_text())


def test_each_workflow_has_its_caller() -> None:
    assert WORKFLOWS == EXAMPLES == [
        "build", "deploy", "release", "rollback", "sync-secrets", "verify",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_actions_of_others_are_pinned_by_commit_with_their_version(name: str) -> None:
    folder = "actions/homeguru/action" if name == "action" else f"workflows/{name}"
    text = (ROOT / f".github/{folder}.yml").read_text()
    used = re.findall(r"^ *(?:- )?uses: (.*)$", text, re.M)
    assert used
    for line in used:
        assert re.fullmatch(r"\$/\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", ALL)
def test_a_run_step_is_one_call_of_ours_and_holds_no_expression(name: str) -> None:
    found = [step for step in steps(name) if "run" in step]
    assert found
    for step in found:
        assert "${{" not in step["run"]
        if name == "action" and not calls(step):
            assert step["name"] == "Install homeguru"
            continue
        command = re.fullmatch(r'exec "\$HOMEGURU" actions ("\$COMMAND"|[\w-]+)\n?', step["run"])
        assert command, step["run"]
        assert command[1] == '"$COMMAND"' or command[1] in COMMANDS


@pytest.mark.parametrize("name", ALL)
def test_each_step_is_run_by_the_tests_or_left_out_with_a_reason(name: str) -> None:
    for step in steps(name):
        if "uses" in step:
            assert LEFT_OUT[step["uses"].partition("@")[0]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_permitted_but_what_the_job_names(name: str) -> None:
    found = workflow(name)
    assert found["permissions"] == {}
    (job,) = found["jobs"].values()
    allowed = {"contents": "read", "packages": "write" if name in ("build", "release") else "read"}
    assert job["permissions"].items() <= allowed.items()
    caller = example(name)["jobs"]
    assert {n: j["permissions"] for n, j in caller.items()} == {name: job["permissions"]}


@pytest.mark.parametrize("name", ["deploy", "release", "rollback", "verify", "sync-secrets"])
def test_each_secret_of_production_reaches_the_step(name: str) -> None:
    file = ROOT / "deployments/environments/production.toml"
    wanted = tomllib.loads(file.read_text())["secrets"]["names"]
    (step,) = [s for s in steps(name) if calls(s) and "if" not in s]
    for secret in wanted:
        assert f"secrets.{secret}" in step["env"][secret]


@pytest.mark.parametrize("name", ["deploy", "release", "rollback", "verify"])
def test_a_cancelled_job_cancels_its_run(name: str) -> None:
    (step,) = [s for s in steps(name) if "cancelled()" in s.get("if", "")]
    assert step["run"].endswith("actions cancel")
    # A part of the run's key: another environment's run is not this job's to cancel.
    assert step["env"]["HOMEGURU_ENVIRONMENT"] == "${{ inputs.environment }}"
    pressed = next(s for s in steps(name) if calls(s))
    for variable in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_CA"):
        assert step["env"][variable] == pressed["env"][variable]


@pytest.mark.parametrize("name", ["deploy", "rollback", "verify", "sync-secrets"])
def test_by_hand_and_called_the_form_is_the_same(name: str) -> None:
    on = triggers(workflow(name))
    by_hand, called = (on[kind]["inputs"] for kind in ("workflow_dispatch", "workflow_call"))
    assert list(by_hand) == list(called)
    for field in by_hand:
        for key in ("description", "default"):
            assert by_hand[field][key] == called[field][key]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_caller_names_inputs_that_exist(name: str) -> None:
    (job,) = example(name)["jobs"].values()
    assert job["uses"].endswith(f"/.github/workflows/{name}.yml@main")
    assert set(job.get("with", {})) <= set(triggers(workflow(name))["workflow_call"]["inputs"])
