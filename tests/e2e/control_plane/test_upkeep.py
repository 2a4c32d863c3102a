"""Status, backup, restore and upgrade of a control plane that is at work, by its commands."""

from __future__ import annotations

import json
from pathlib import Path

import pyrage
import pytest

from infra.control.status import SERVICES
from infra.engine.client import docker
from tests.e2e.conftest import Ended
from tests.e2e.control_plane.control import LIMIT

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]

NEXT, BROKEN = "hgtest-plane-flows:next", "hgtest-plane-flows:broken"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """A recipient, its identity in a file, and somebody else's."""
    folder = tmp_path_factory.mktemp("keys")
    ours, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    (folder / "identity").write_text(f"# created: now\n{ours}\n")
    (folder / "other").write_text(f"{other}\n")
    return str(ours.to_public()), folder / "identity", folder / "other"


@pytest.fixture(scope="module")
def call(control):
    """`homeguru control-plane WORDS` where it was put up."""

    def run(*words: str) -> Ended:
        return control.world.homeguru(
            "control-plane", *words, HOMEGURU_STATE=str(control.demo.state), PREFECT_API_URL=""
        )

    return run


@pytest.fixture(scope="module")
def images(control):
    """Two images of another day: one that is well, one that cannot migrate."""
    now = control.demo.plane.image()
    broken = "RUN echo 'raise SystemExit(\"no migration today\")' > infra/control/start.py"
    where = "WORKDIR /app/.venv/lib/python3.11/site-packages\nUSER 0\n"
    for name, more in ((NEXT, "LABEL next=1"), (BROKEN, f"{where}{broken}\nUSER 10001:10001")):
        docker("build", "-t", name, "-", data=f"FROM {now}\n{more}\n".encode(), timeout=120)
    yield now
    # What follows runs on the image of the checkout again.
    control.demo.plane.up(now, cut_off=True)
    docker("rmi", "-f", NEXT, BROKEN)


def test_status_says_how_it_is(control, call) -> None:
    found = call("status", "--json")
    assert found.code == 0, found.stdout + found.stderr
    said = found.json
    assert (said["version"], said["problems"]) == ("3.8.8", [])
    assert {c["service"] for c in said["containers"] if c["memory"] > 2**20} == set(SERVICES)
    docker("stop", "-t", "5", control.container("worker"), timeout=60)
    try:
        told = call("status")
    finally:
        docker("start", control.container("worker"))
    assert told.code == 1
    assert "worker is exited" in told.stdout


def test_no_backup_without_a_recipient(call) -> None:
    found = call("backup")
    assert found.code == 3
    assert "a backup is never written in plain" in found.stderr
    assert "age-keygen" in found.stderr


def test_a_backup_comes_back(control, call, keys) -> None:
    recipient, identity, other = keys
    flow = control.post("/flows/", {"name": "deploy"})["id"]
    state = {"type": "RUNNING", "name": "Running"}
    run = control.post("/flow_runs/", {"flow_id": flow, "name": "of then", "state": state})["id"]
    control.post("/v2/concurrency_limits/increment", {"names": [LIMIT], "slots": 1})
    made = call("backup", "--recipient", recipient, "--identity", str(identity), "--json")
    assert made.code == 0, made.stderr
    file = Path(made.json["file"])
    assert made.json["verified"] is True
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith(b"age-encryption.org/v1")
    after = control.post("/flows/", {"name": "made-after-the-backup"})["id"]

    wrong = call("restore", str(file), "--identity", str(other))
    assert wrong.code == 3
    assert "cannot be decrypted" in wrong.stderr
    torn = file.with_name("torn.age")
    torn.write_bytes(file.read_bytes()[:-50])
    assert "cannot be decrypted" in call("restore", str(torn), "--identity", str(identity)).stderr
    assert control.get(f"/flows/{after}")["id"] == after

    back = call("restore", str(file), "--identity", str(identity), "--json")
    assert back.code == 0, back.stderr
    print(f"restored in {back.json['seconds']:.0f} s, {made.json['bytes'] / 1e3:.0f} kB")
    with control.api() as api:
        assert api.find(f"/flows/{after}") is None
    found = control.get(f"/flow_runs/{run}")["state"]
    assert (found["type"], control.held()) == ("CRASHED", 0)
    assert "restored from a backup" in found["message"]
    ended = control.deploy()
    assert ended.code == 0, ended.stdout + ended.stderr


def test_an_upgrade_backs_up_first(control, call, images, keys) -> None:
    before = set((control.demo.state / "control-plane" / "backups").glob("*.age"))
    found = call("upgrade", "--image", NEXT, "--recipient", keys[0], "--json")
    assert found.code == 0, found.stderr
    print(f"upgraded in {found.json['seconds']:.0f} s")
    assert Path(found.json["backup"]) not in before
    assert call("status", "--json").json["image"] == NEXT
    again = call("upgrade", "--image", NEXT, "--json")
    assert (again.code, again.json["changes"], again.json["backup"]) == (0, [], "")
    ended = control.deploy()
    assert ended.code == 0, ended.stdout + ended.stderr


def test_a_failed_upgrade_says_how_to_go_back_and_that_works(control, call, images, keys) -> None:
    found = call("upgrade", "--image", BROKEN, "--json")
    assert found.code == 1, found.stdout + found.stderr
    assert "the upgrade to hgtest-plane-flows:broken failed" in found.stderr
    words = found.json["next"].removeprefix("homeguru control-plane ").split()
    assert words[0] == "restore"
    words[words.index("FILE")] = str(keys[1])
    back = call(*words)
    assert back.code == 0, back.stderr
    assert call("status", "--json").json["problems"] == []
    ended = control.deploy()
    assert ended.code == 0, ended.stdout + ended.stderr


def test_what_is_not_our_image_is_refused_before_anything(call, control) -> None:
    found = call("upgrade", "--image", "postgres:16")
    assert found.code == 2
    assert "postgres:16 is not an image of homeguru-flows" in found.stderr
    assert call("status", "--json").json["problems"] == []


def test_setup_twice_changes_nothing(control) -> None:
    """The first one here knows the checkout's environment too, which the control plane's image has not."""
    for _ in range(2):
        found = control.world.homeguru("setup", "--json", **control.demo.variables("demo"))
        assert found.code == 0, found.stdout + found.stderr
    kinds = {c["what"] for c in json.loads(found.stdout.splitlines()[-1])}
    assert kinds <= {"unchanged", "left over", "missing"}, found.stderr


def test_schedules_become_runs(control) -> None:
    body = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 50}
    found = lambda: [r for r in control.post("/flow_runs/filter", body) if r["auto_scheduled"]]  # noqa: E731
    control.until(found, 90, "scheduled runs")
