"""The flows as Prefect sees them, and prefect.yaml as we mean it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prefect.utilities.callables import parameter_schema

from deployments.errors import HomeguruError, Refused
from deployments.verbs import Verb
from infra.environment.folders import names
from infra.machine.processes import run
from infra.orchestration.flow.process import entrypoint, run_flow
from infra.orchestration.setup.declared import declared
from infra.orchestration.setup.schemas import flow_schema

pytestmark = pytest.mark.harness
VERBS = sorted(entry.name for entry in declared()[0])
ROOT = Path(__file__).resolve().parents[2]


def load(verb: str):
    return getattr(importlib.import_module(f"flows.{verb}"), verb)


@pytest.mark.parametrize("verb", VERBS)
def test_the_form_offers_environments_and_describes_every_field(verb: str) -> None:
    schema = parameter_schema(load(verb)).model_dump()
    assert schema["definitions"]["EnvironmentName"]["enum"] == names()
    for name, field in schema["properties"].items():
        assert field.get("description"), name


@pytest.mark.parametrize("verb", VERBS)
def test_a_flow_never_retries_by_itself(verb: str) -> None:
    flow = load(verb)
    assert flow.retries == 0
    assert flow.description


def test_every_verb_is_declared_with_its_flow() -> None:
    entries = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert set(VERBS) == {*get_args(Verb), "publish", "release", "bootstrap"} - {"undo", "heal"}
    assert [entrypoint(verb) for verb in VERBS] == [f"flows.{verb}.{verb}" for verb in VERBS]
    assert all(d["description"] and d["work_pool"]["name"] == "homeguru" for d in entries)


def _known(folder: Path) -> list[str]:
    """The environments that a new run knows."""
    asks = "from infra.orchestration.flow.operation import EnvironmentName as e; print(*e)"
    return run(
        sys.executable, "-c", asks, env={"HOMEGURU_ENVIRONMENTS": str(folder)}
    ).stdout.split()


def test_an_environment_that_is_written_later_is_known_to_the_next_run(
    tmp_path: Path, monkeypatch
) -> None:
    """A worker starts a process for each run, and the form follows when it is registered again."""
    assert "later" not in _known(tmp_path)
    (tmp_path / "later.toml").write_text("v = 1\n")
    assert "later" in _known(tmp_path)
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(tmp_path))
    _, schema = flow_schema("flows.deploy.deploy")
    assert "later" in schema["definitions"]["EnvironmentName"]["enum"]


def test_deploy_is_a_story_of_one_screen() -> None:
    assert len((ROOT / "flows" / "deploy.py").read_text().splitlines()) <= 50


def test_production_refuses_without_a_pinned_host_key(monkeypatch, tmp_path) -> None:
    """The packaged environment must never reach a host before a person pinned its key."""
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS", raising=False)
    from infra.environment import context as assembly
    from infra.host import probes

    asked: list[object] = []
    monkeypatch.setattr(probes, "outside", lambda target: asked.append(target) or [])
    found = assembly.assemble("production")
    for name in found.located.environment.secrets.names:
        monkeypatch.setenv(name, "value-of-a-test")

    with pytest.raises(HomeguruError) as refused:
        run_flow("verify", {"environment": "production"})
    assert isinstance(refused.value, Refused)
    assert "no host key is pinned" in refused.value.what
    assert asked == []
