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
OWN = ["ci", "package"]
"""What this project itself is tested and released with; all others belong to its users."""
FILES = sorted(f.stem for f in (ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = [name for name in FILES if name not in OWN]
EXAMPLES = sorted(f.stem for f in (ROOT / "doc/examples").glob("*.yml"))
ALL = [*WORKFLOWS, "action"]
PACKAGE_VERBS = ("notes", "image", "release")
OWN_CALLS = {
    "ci": {"exec .ci/run", "exec make audit", 'exec make "$SUITE"'},
    "package": {
        "exec make wheel",
        *(f'exec python3 -m infra.package {verb} "$GITHUB_REF_NAME"' for verb in PACKAGE_VERBS),
    },
}
OWN_PERMISSIONS = {
    "ci": {name: {"contents": "read"} for name in ("test", "audit", "suite")},
    "package": {
        "wheel": {"contents": "read", "id-token": "write", "attestations": "write"},
        "image": {
            "contents": "read", "packages": "write", "id-token": "write", "attestations": "write",
        },
        "release": {"contents": "write"},
    },
}  # fmt: skip
COMMANDS = {"build", "scan", "deploy", "release", "rollback", "verify", "cancel", "sync-secrets"}


def triggers(found: dict[str, Any]) -> dict[str, Any]:
    """YAML 1.1 reads `on` as true."""
    return found[True]  # type: ignore[index]


def example(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "doc/examples" / f"{name}.yml").read_text())


def text_of(name: str) -> str:
    folder = "actions/homeguru/action" if name == "action" else f"workflows/{name}"
    return (ROOT / f".github/{folder}.yml").read_text()


def jobs(name: str) -> dict[str, dict[str, Any]]:
    return workflow(name)["jobs"]


def suites() -> list[str]:
    """Targets of what `make test` leaves out, in its order, by the markers in pyproject.toml."""
    (expression,) = re.findall(r'^test:.*\n.*-m "(.+)"$', (ROOT / "Makefile").read_text(), re.M)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    markers = dict(line.split(": ", 1) for line in settings["ini_options"]["markers"])
    targets = {n: re.findall(r"run by `make ([a-z-]+)`", text) for n, text in markers.items()}
    left_out = re.findall(r"not (\w+)", expression)
    assert {name for name, target in targets.items() if target} == set(left_out)
    return [target for name in left_out for target in targets[name]]


def test_each_workflow_has_its_caller() -> None:
    assert sorted([*WORKFLOWS, *OWN]) == FILES
    assert WORKFLOWS == EXAMPLES == [
        "build", "deploy", "release", "rollback", "sync-secrets", "verify",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [*ALL, *OWN])
def test_actions_of_others_are_pinned_by_commit_with_their_version(name: str) -> None:
    used = re.findall(r"^ *(?:- )?uses: (.*)$", text_of(name), re.M)
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


def test_an_action_has_the_same_commit_everywhere() -> None:
    text = "\n".join(text_of(name) for name in [*ALL, *OWN])
    found = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40} # v\S+)$", text, re.M))
    assert len({action for action, _ in found}) == len(found) > 5


def test_uv_has_the_same_version_everywhere() -> None:
    text = "\n".join(text_of(name) for name in ["action", *OWN])
    files = (ROOT / "docker").glob("Dockerfile.*")
    images = "\n".join(file.read_text() for file in files if file.suffix != ".dockerignore")
    used = re.findall(r"setup-uv@.*\n +with:\n +version: (\S+)$", text, re.M)
    assert len(used) == text.count("setup-uv@")
    assert len({*used, *re.findall(r"^ARG UV_VERSION=(\S+)$", images, re.M)}) == 1


def test_uv_and_pnpm_are_installed_by_hash() -> None:
    python = [(ROOT / f"docker/Dockerfile.{name}").read_text() for name in ("api", "bot", "flows")]
    pins = {tuple(re.findall(r'^ARG UV_HASHES="(.*)"$', text, re.M)) for text in python}
    ((hashes,),) = pins
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes.split())
    # A wheel for each of the two processors.
    assert len(hashes.split()) == 2
    for text in python:
        assert "--require-hashes" in text and "uv==${" not in text
    frontend = (ROOT / "docker/Dockerfile.frontend").read_text()
    candidates = re.findall(r'"pnpm@(?=\d)([^"]+)"', frontend)
    assert [c.partition(".")[0] for c in candidates] == ["7", "8", "9", "10"]
    assert all(re.fullmatch(r"[\d.]+\+sha512\.[0-9a-f]{128}", c) for c in candidates)


@pytest.mark.parametrize("name", OWN)
def test_own_jobs_are_permitted_what_they_need_and_end(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    assert {n: job["permissions"] for n, job in jobs(name).items()} == OWN_PERMISSIONS[name]
    assert all(job["timeout-minutes"] <= 300 for job in jobs(name).values())
    assert "secrets" not in text_of(name)


@pytest.mark.parametrize("name", OWN)
def test_own_run_steps_are_one_call_and_hold_no_expression(name: str) -> None:
    found = [step for job in jobs(name).values() for step in job["steps"]]
    assert {step["run"] for step in found if "run" in step} == OWN_CALLS[name]


@pytest.mark.parametrize("name", OWN)
def test_own_checkouts_leave_no_token_behind(name: str) -> None:
    found = [step for job in jobs(name).values() for step in job["steps"]]
    checkouts = [step for step in found if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs(name))
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_own_workflows_begin_by_nothing_that_strangers_control() -> None:
    """`pull_request_target` would run their code with this repository's token."""
    assert set(triggers(workflow("ci"))) == {
        "push",
        "pull_request",
        "schedule",
        "workflow_dispatch",
    }
    assert triggers(workflow("ci"))["push"] == {"branches": ["main"]}
    assert triggers(workflow("package")) == {"push": {"tags": ["v*"]}}


def test_a_pull_request_cancels_its_earlier_run_and_nothing_else() -> None:
    assert workflow("ci")["concurrency"] == {
        "group": "ci-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
        "cancel-in-progress": True,
    }
    assert workflow("package")["concurrency"]["cancel-in-progress"] is False


def test_every_long_suite_has_a_job_of_its_own_and_is_in_both_guides() -> None:
    assert jobs("ci")["suite"]["strategy"]["matrix"] == {"suite": suites()}
    for name in ("doc/guides/development.md", "doc/guides/development.ru.md"):
        found = re.search(
            r"```sh\nmake test-fast\nmake test\n(.*?)```", (ROOT / name).read_text(), re.S
        )
        assert found and found[1].splitlines() == [f"make {suite}" for suite in suites()], name


def test_every_long_suite_is_a_target_that_is_no_file() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    assert set(suites()) <= set(phony.split())
    assert set(suites()) <= set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
