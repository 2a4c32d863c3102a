"""What `up`, `upgrade`, `restore` and `down` ask of the engine, in which order, and what they refuse."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyrage
import pytest

from deployments.errors import HomeguruError, Refused, WrongUse
from infra.control import look, owner, upkeep, way_back
from infra.control.docker import DockerRefused
from infra.control.plane import ControlPlane
from infra.control.settings import Settings, State
from tests.adapters.control_engine import Engine, plane_on

NOW, NEXT = "homeguru-flows:1", "homeguru-flows:2"
RECEIVE, MIGRATE = "infra.control.receive", "server database upgrade -y"
AT_WORK = '["deploy v7", "publish main"]'


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture
def made(state: State, monkeypatch: pytest.MonkeyPatch) -> tuple[ControlPlane, Engine]:
    """One that is up with the image of now."""
    settings = Settings(recipient="age1x")
    plane, engine = plane_on(state, settings, monkeypatch)
    state.keep(settings)
    state.write("image", NOW)
    return plane, engine


def test_one_of_another_folder_is_not_written_over(state, monkeypatch) -> None:
    plane, engine = plane_on(state, Settings(), monkeypatch)
    engine.answers["volume ls"] = "homeguru-control-server-secret"
    engine.answers["import hashlib"] = hashlib.sha256(b"another key").hexdigest()
    with pytest.raises(Refused, match="was put up from elsewhere") as refused:
        plane.up(NOW)
    assert refused.value.where == str(state.folder)
    assert "~/.local/state/homeguru/control-plane" in refused.value.todo
    assert not engine.had(RECEIVE)
    # Nothing is kept here that a copy of the other folder would have to replace.
    assert not any((state.folder / n).exists() for n in ("settings.json", "encryption-key"))
    key = state.secret("encryption-key")
    engine.answers["import hashlib"] = hashlib.sha256(key.encode()).hexdigest()
    plane.up(NOW)
    assert engine.had(RECEIVE)


@pytest.mark.parametrize("begin", ["refresh", "upgrade"])
def test_neither_by_another_command(made, begin: str) -> None:
    plane, engine = made
    engine.answers |= {"volume ls": "homeguru-control-server-secret", "import hashlib": "f00"}
    with pytest.raises(Refused, match="was put up from elsewhere"):
        plane.refresh() if begin == "refresh" else upkeep.upgrade(plane, NEXT, with_backup=False)
    assert not engine.had(RECEIVE)


def test_the_key_itself_stays_in_its_container(tmp_path: Path, state) -> None:
    asked = owner._ASK.replace("/v/", f"{tmp_path}/")
    ask = lambda: subprocess.check_output([sys.executable, "-c", asked], text=True).strip()  # noqa: E731
    assert ask() == ""
    (tmp_path / "encryption-key").write_text(f"{state.secret('encryption-key')}\n")
    assert ask() == owner._hash(state)
    assert len(ask()) == 64


def backup_of(tmp_path: Path) -> tuple[Path, pyrage.x25519.Identity]:
    key = pyrage.x25519.Identity.generate()
    file = tmp_path / "b.age"
    file.write_bytes(pyrage.encrypt(b"dump", [key.to_public()]))
    return file, key


def test_a_restored_server_starts_with_the_key_that_was_put_here(made, tmp_path) -> None:
    plane, engine = made
    engine.answers |= {"volume ls": "homeguru-control-server-secret", "import hashlib": "f00"}
    upkeep.restore(plane, *backup_of(tmp_path))
    exchanged = engine.at("RENAME TO prefect;")
    assert engine.at("stop server") < exchanged < engine.at(RECEIVE) < engine.at(MIGRATE)
    assert engine.at(MIGRATE) < engine.at("up -d --wait server")


@pytest.mark.parametrize(("pushed", "stops"), [("server-secret", True), ("environments", False)])
def test_changed_secrets_are_read_by_another_start(made, pushed: str, stops: bool) -> None:
    plane, engine = made
    engine.answers[RECEIVE] = pushed
    plane.up(NOW)
    assert engine.had("stop worker-docker worker server") is stops
    assert not engine.had(MIGRATE)


def test_a_gateway_that_does_not_run_is_not_asked_to_reload(made) -> None:
    plane, engine = made
    plane.refresh()
    assert "caddy reload" in engine.calls[-1]
    assert engine.calls[-1].endswith("--force")
    for gone in ({"ps -a --no-trunc": ""}, {"{{.State.Running}}": "false"}):
        engine.answers |= gone
        engine.calls.clear()
        plane.refresh()
        assert engine.had(RECEIVE)
        assert not engine.had("caddy reload")
        assert "the gateway does not run" in engine.said[-1]


def test_a_second_failed_upgrade_names_the_same_way_back(made, monkeypatch) -> None:
    plane, engine = made
    files = iter(["first.age", "second.age"])
    monkeypatch.setattr(upkeep, "make_backup", lambda _: SimpleNamespace(file=next(files)))
    engine.answers[MIGRATE] = HomeguruError("no migration today")
    for _ in range(2):
        with pytest.raises(HomeguruError, match="no migration today") as failed:
            upkeep.upgrade(plane, NEXT)
        assert failed.value.todo.endswith(f"restore first.age --identity FILE --image {NOW}")
        assert plane.image() == NOW
    engine.answers[MIGRATE] = ""
    assert upkeep.upgrade(plane, NEXT).backup == "first.age"
    assert plane.image() == NEXT
    assert way_back.unfinished(plane.state) is None


def test_another_prefect_than_the_servers_is_refused_whatever_was_kept(made) -> None:
    plane, engine = made
    engine.answers |= {"{{.Config.Image}}": NEXT, f"python {NEXT}": "1.0 3.9.0"}
    with pytest.raises(Refused, match=r"Prefect 3\.9\.0 runs, and the image has 3\.8\.8"):
        plane.up(NOW)
    with pytest.raises(Refused, match="its database does not go back"):
        upkeep.upgrade(plane, NOW)


def test_a_first_image_that_is_not_ours_is_refused(state, monkeypatch) -> None:
    plane, engine = plane_on(state, Settings(), monkeypatch)
    engine.answers |= {"ps -a --no-trunc": "", "import version": DockerRefused("no python")}
    with pytest.raises(WrongUse, match="postgres:16 is not an image of homeguru-flows"):
        plane.up("postgres:16")
    assert not engine.had(RECEIVE)


def test_a_restore_after_one_that_failed_late_keeps_the_original(made, tmp_path) -> None:
    plane, engine = made
    upkeep.restore(plane, *backup_of(tmp_path))
    (exchange,) = [c for c in engine.calls if "BEGIN; ALTER DATABASE" in c]
    assert (
        "ALTER DATABASE prefect RENAME TO prefect_before; ALTER DATABASE prefect_restored"
        in exchange
    )
    assert "COMMENT ON DATABASE prefect IS 'restored" in exchange
    assert engine.at("COMMENT ON DATABASE prefect IS NULL") > engine.at("compose")
    engine.calls.clear()
    engine.answers["psql"] = "0"
    engine.answers[MIGRATE] = HomeguruError("no migration today")
    with pytest.raises(HomeguruError):
        upkeep.restore(plane, *backup_of(tmp_path))
    assert not engine.had("DROP DATABASE IF EXISTS prefect_before")
    assert engine.had("ALTER DATABASE prefect RENAME TO prefect_half;")
    assert not engine.had("IS NULL")


def test_runs_at_work_are_named_before_anything_stops(made, tmp_path) -> None:
    plane, engine = made
    engine.answers["python - at-work"] = AT_WORK
    plane.up(NOW)
    tries = (
        lambda: plane.up(NEXT), plane.down, lambda: upkeep.upgrade(plane, NEXT, with_backup=False),
        lambda: upkeep.restore(plane, *backup_of(tmp_path)),
        lambda: ControlPlane.up(_other(plane), NOW),
    )  # fmt: skip
    for attempt in tries:
        with pytest.raises(Refused, match="cut off: deploy v7, publish main") as refused:
            attempt()
        assert "with --yes" in refused.value.todo
    assert not any(
        f" {word} " in f" {call} " for call in engine.calls for word in ("stop", "rm", "down")
    )
    upkeep.restore(plane, *backup_of(tmp_path), cut_off=True)
    upkeep.upgrade(plane, NEXT, with_backup=False, cut_off=True)
    plane.up(NOW, cut_off=True)


def _other(plane: ControlPlane) -> ControlPlane:
    """The same with a setting that starts containers anew."""
    found = ControlPlane(plane.state, Settings(builder="tcp://192.0.2.7:2375"), print)
    found.docker = plane.docker
    return found


@pytest.mark.parametrize("server", [DockerRefused("no answer"), "no JSON"])
def test_a_dead_server_stops_nobody(made, server) -> None:
    plane, engine = made
    engine.answers |= {"python - at-work": server, "ps -q ": "f", "ps -aq ": "f"}
    engine.answers["stop -t 120"] = DockerRefused("No such container")
    plane.down()
    ended = engine.at("stop -t 120 f")
    assert engine.at("stop worker-docker-id worker-id") < ended < engine.at("rm -f f")
    assert engine.at("rm -f f") < engine.at("down --remove-orphans")


def test_the_server_names_what_workers_carry_out(monkeypatch) -> None:
    def ask(path: str, body: dict) -> list:
        if path == "/work_pools/filter":
            return [{"name": "homeguru"}, {"name": "of-another-machine"}]
        assert body["work_pools"] == {"name": {"any_": ["homeguru", "of-another-machine"]}}
        # One that waits for an approval does so in a worker's process.
        any_of = ["RUNNING", "PENDING", "CANCELLING", "PAUSED"]
        assert body["flow_runs"] == {"state": {"type": {"any_": any_of}}}
        return [{"name": "deploy v7"}]

    monkeypatch.setattr(look, "ask", ask)
    assert look.at_work() == ["deploy v7"]


def test_the_persons_project_name_is_not_ours(made, monkeypatch) -> None:
    plane, engine = made
    plane.compose("none").text("ps")
    assert engine.calls[-1].startswith("compose -p homeguru-control -f ")


def test_compose_reads_where_to_listen() -> None:
    found = [Settings(bind=bind).check().listens for bind in ("::1", "127.0.0.1")]
    assert found == ["[::1]", "127.0.0.1"]
