"""The Prefect UI in a real Chromium: a person runs, approves and reads, with form and mouse.

`make browser` runs it and renews the pictures of doc/images.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ROOT, say

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

HERE = Path(__file__).parent
IMAGES = ROOT / "doc" / "images"
CHROMIUM = "/usr/bin/chromium"
TIME_LINE = ("Cannot read properties of null (reading 'position')",)
"""Errors of the UI's own time line of a run, which is drawn while its tasks still come in."""
ENTRIES = {
    "adopt": ["homeguru"], "backup": ["homeguru"], "bootstrap": ["homeguru"], "deploy": ["change", "homeguru"],
    "drill": ["homeguru"], "maintenance": ["change", "homeguru"], "migrate": ["change", "homeguru"], "publish": ["homeguru"],
    "release": ["change", "homeguru"], "restore": ["change", "homeguru"],
    "rollback": ["change", "homeguru"], "verify": ["homeguru"],
}  # fmt: skip


def policy(place: str) -> str:
    """What the control plane's gateway lets a page load, for a server that speaks plain HTTP."""
    text = (ROOT / "infra" / "control-plane" / "gateway" / "Caddyfile").read_text()
    (said,) = re.findall(r'Content-Security-Policy "(.*)"', text)
    return said.replace("wss://{hostport}", f"ws://{place}")


class Person:
    """Somebody before the UI. Each act is a browser of its own, with an empty profile."""

    def __init__(self, ui: str, failed: Path) -> None:
        self._ui, self._failed = ui, failed

    def does(self, act: str, picture: str = "", **more: Any) -> Any:
        """Do an act; returns what was seen."""
        own = {"ui": self._ui, "chromium": CHROMIUM, "failed": str(self._failed)}
        wanted = {**own, "policy": policy(httpx.URL(self._ui).netloc.decode()), **more}
        wanted["image"] = str(IMAGES / picture) if picture else ""
        words = ["node", str(HERE / "act.mjs"), act, json.dumps(wanted)]
        done = subprocess.run(words, text=True, capture_output=True, timeout=400)
        assert done.returncode == 0, f"{done.stderr}\na picture: {self._failed}"
        say(f"browser: {act}")
        found = json.loads(done.stdout.strip().splitlines()[-1])
        # Prefect's UI has no icon for the tab of a run in some states.
        refused = [answer for answer in found["refused"] if not answer.startswith("404 /ico/")]
        busy = [answer for answer in refused if answer.startswith("503 ")]
        assert refused == busy
        # A server whose SQLite is locked for a moment refuses a request: the UI tells its console, and asks again.
        errors = [error for error in found["errors"] if error not in TIME_LINE]
        assert busy or errors == [], errors
        return found["seen"]


@pytest.fixture(scope="module")
def person(world, tmp_path_factory: pytest.TempPathFactory) -> Person:
    IMAGES.mkdir(exist_ok=True)
    if not world.ok("status", "--env", "sandbox")["release"]:
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))
    folder = tmp_path_factory.mktemp("browser")
    return Person(world.api.removesuffix("/api"), folder / "failed.png")


@pytest.fixture
def asking(world) -> Iterator[None]:
    """The sandbox asks for approval."""
    file = world.environments / "sandbox.toml"
    before = file.read_text()
    file.write_text(before.replace("[host]", "approval = true\napproval_minutes = 10\n\n[host]", 1))
    yield
    file.write_text(before)


def test_the_deployments_are_listed_with_their_tags(person: Person) -> None:
    seen = person.does("deployments", "deployments.png")
    assert list(seen) == list(ENTRIES)
    for name, tags in ENTRIES.items():
        shown = seen[name].split()
        # Where the column is narrow, the UI shows a number for the tags that do not fit.
        assert sorted(shown) == tags or {"homeguru", "+1"} == set(shown), f"{name}: {shown}"


def test_a_verify_from_the_form_completes(person: Person) -> None:
    started = person.does("start", deployment="verify", environment="sandbox")
    assert "changes nothing" in started["described"]
    assert [f["name"] for f in started["fields"]] == ["environment", "by"]
    ended = person.does("run", run=started["run"], contains="look")
    assert ended["state"] == "Completed", ended["log"]


def test_a_wrong_release_is_said_on_the_runs_page(world, person: Person) -> None:
    wanted = {"deployment": "deploy", "environment": "sandbox"}
    started = person.does("start", values={"release": "no-such-release"}, **wanted)
    ended = person.does("run", run=started["run"], contains="no-such-release")
    assert ended["state"] == "Failed"
    assert "no release 'no-such-release' is published for sandbox" in ended["log"]
    assert "Next: choose one of: sandbox-sha-" in ended["log"]


def test_a_plan_is_read_approved_and_carried_out(world, person: Person, asking: None) -> None:
    world.set_variable("LLM_MODEL", "openai/approved-in-the-browser")
    before = world.containers()
    started = person.does("start", "form.png", deployment="deploy", environment="sandbox")
    assert "or leave it as it was" in started["described"]
    assert set(started["offered"]) == {"sandbox", "production"}
    fields = {f["name"]: f for f in started["fields"]}
    assert list(fields) == [
        "environment",
        "release",
        "update_infrastructure",
        "by",
        "configuration",
    ]
    assert all(f["text"] for f in fields.values())
    assert len({f["text"] for f in fields.values()}) == len(fields)
    assert fields["release"]["value"] == "newest"

    run = {"run": started["run"]}
    plan = person.does("artifact", "plan.png", key="plan-sandbox", contains="Fingerprint", **run)
    assert "variables changed: LLM_MODEL" in plan["text"]
    assert world.containers() == before, "something ran before anybody approved"

    answer = {"approver": "Anna", "reason": "tested on stage"}
    asked = person.does("approve", "approval.png", **run, **answer)
    assert "Why this plan may run now." in asked["said"]
    ended = person.does("run", "run.png", contains="approved by Anna: tested on stage", **run)
    assert ended["state"] == "Completed", ended["log"]
    approval = world.ledger()[-1]["approval"]
    assert (approval["who"], approval["reason"]) == ("Anna", "tested on stage")

    report = person.does("artifact", "report.png", key="report-sandbox", contains="outcome", **run)
    assert "to sandbox: done" in report["text"]
    assert world.containers() != before
    for page, contains in ((plan, "variables changed: LLM_MODEL"), (report, "to sandbox: done")):
        shown = person.does("onAPhone", address=page["url"], contains=contains, width=390)
        assert contains in shown["text"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_status_page(world, person: Person, tmp_path: Path, width: int, scheme: str) -> None:
    file = tmp_path / "status.html"
    ended = world.homeguru("status-page", "--env", "sandbox", "--output", str(file))
    assert ended.code == 0, ended.stderr
    picture = "status.png" if (width, scheme) == (1280, "light") else ""
    seen = person.does("statusPage", picture, page=file.as_uri(), width=width, scheme=scheme)
    assert seen["requests"] == [file.as_uri()]
    assert world.ok("status", "--env", "sandbox")["release"] in seen["text"]
    # Nothing has to be moved sideways, and colours have the contrast of WCAG AA.
    assert seen["wide"] <= width
    assert seen["faint"] == []


def test_the_pictures_are_small() -> None:
    names = ["deployments", "form", "plan", "approval", "run", "report", "status"]
    sizes = {n: (IMAGES / f"{n}.png").stat().st_size for n in names}
    assert all(s < 200_000 for s in sizes.values()), sizes
