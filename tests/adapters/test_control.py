"""The control plane's parts that need no engine."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import bcrypt
import pytest
from typer.testing import CliRunner

from deployments.errors import WrongUse
from infra.cli.control_plane import control_plane
from infra.control import volumes
from infra.control.accounts import MACHINES, Accounts
from infra.control.docker import DockerRefused
from infra.control.image import PARTS, fingerprint, prune
from infra.control.receive import fill
from infra.control.register import close_pool, closed, docker_variables
from infra.control.settings import Settings, State
from infra.control.start import variables
from infra.control.volumes import wanted
from infra.machine.paths import packaged_environments
from infra.orchestration.setup.schemas import job_template


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def opened(kind: str, chosen: dict) -> dict:
    template = job_template(kind)
    for name, value in chosen.items():
        template["variables"]["properties"][name]["default"] = value
    return template


@pytest.mark.parametrize("kind", ["docker", "process"])
def test_a_closed_pool_leaves_nothing_to_choose(kind: str) -> None:
    chosen = docker_variables("control", "flows:1") if kind == "docker" else {}
    found = closed(opened(kind, chosen), job_template(kind))
    shown = json.dumps(found["job_configuration"])
    assert "{{" not in shown
    assert "env" not in found["job_configuration"]
    assert found["variables"]["additionalProperties"] is False
    for name, each in found["variables"]["properties"].items():
        assert each["const"] == each["default"], name
    assert chosen.items() <= found["job_configuration"].items()
    # What is closed stays as it is.
    assert closed(found, job_template(kind)) == found


def test_a_flow_container_has_no_socket_and_no_privileges() -> None:
    found = docker_variables("control", "flows:1")
    assert all(volume.endswith(":ro") for volume in found["volumes"])
    assert "docker.sock" not in json.dumps(found)
    assert found["container_create_kwargs"]["cap_drop"] == ["ALL"]
    assert "privileged" not in found


def test_a_pool_is_closed_once() -> None:
    class Api:
        template, sent = opened("process", {}), 0

        def get(self, path: str) -> dict:
            return {"base_job_template": self.template}

        def patch(self, path: str, body: dict) -> None:
            self.template, self.sent = body["base_job_template"], self.sent + 1

    api = Api()
    assert close_pool(api, "homeguru", "process") is True  # type: ignore[arg-type]
    assert close_pool(api, "homeguru", "process") is False  # type: ignore[arg-type]
    assert api.sent == 1


def test_accounts_keep_hashes_only(state: State) -> None:
    accounts = Accounts(state)
    accounts.ensure_machines()
    password = accounts.add("anna")
    assert accounts.names() == [*sorted(MACHINES), "anna"]
    assert accounts.people() == ["anna"]
    file = state.folder / "accounts"
    assert mode(file) == 0o600
    assert mode(state.folder) == 0o700
    assert password not in file.read_text()
    (line,) = [x for x in accounts.caddy().splitlines() if x.startswith("anna ")]
    assert bcrypt.checkpw(password.encode(), base64.b64decode(line.split()[1]))
    again = accounts.add("anna")
    assert again != password
    accounts.remove("anna")
    assert accounts.people() == []


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("Anna", "", "not an account's name"), ("a b", "", "not an account's name"),
        ("a\nb", "", "not an account's name"), ("x" * 41, "", "not an account's name"),
        ("anna", "short", "12 to 72 bytes"), ("anna", "я" * 40, "12 to 72 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_account_is_said(state: State, name: str, password: str, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        Accounts(state).add(name, password)
    assert not (state.folder / "accounts").exists()


def test_a_machine_account_is_renewed_and_not_removed(state: State) -> None:
    accounts = Accounts(state)
    accounts.ensure_machines()
    with pytest.raises(WrongUse, match="machine account"):
        accounts.remove("trigger")
    with pytest.raises(WrongUse, match="no account"):
        accounts.remove("nobody")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"address": "no domain"}, "not a domain"), ({"address": "host"}, "not a domain"),
        ({"project": "Up"}, "not a project name"),
        ({"address": "a.example.org", "https": 8443}, "needs the ports 80 and 443"),
        ({"keys": "/no/such/folder"}, "--keys: no folder"),
        ({"http": 99999}, "no ports: 99999 and 443"), ({"ssh_key": "/nofile"}, "--ssh-key: no file"),
        ({"bind": "localhost"}, "--bind is no IP address"), ({"bind": "fe80::1%eth0"}, "--bind is no"),
        ({"host_key": "junk"}, "--host-key is no public key"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work(state: State, chosen: dict, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        state.choose(**chosen)
    assert not state.folder.exists()


@pytest.mark.parametrize(
    ("address", "https", "tls", "url"),
    [
        ("deploy.example.org", 443, "acme", "https://deploy.example.org"),
        ("192.0.2.7", 443, "internal", "https://192.0.2.7"),
        ("2001:db8::1", 8443, "internal", "https://[2001:db8::1]:8443"),
        ("localhost", 8443, "internal", "https://localhost:8443"),
    ],
)
def test_an_address_decides_the_certificate(address: str, https: int, tls: str, url: str) -> None:
    found = Settings(address=address, https=https).check()
    assert (found.tls, found.url) == (tls, url)


def test_settings_are_kept_and_added_to(state: State) -> None:
    with pytest.raises(WrongUse, match="no control plane was put up from here") as refused:
        state.settings()
    assert "copy that one's folder here: ~/.local/state/homeguru" in refused.value.todo
    assert state.keep(state.choose(address="192.0.2.7", recipient=None)) is True
    assert state.keep(state.choose(recipient="age1x")) is True
    assert state.keep(state.choose()) is False
    assert (state.settings().address, state.settings().recipient) == ("192.0.2.7", "age1x")
    (state.folder / "settings.json").write_text('{"unknown": 1}')
    with pytest.raises(WrongUse, match=r"settings\.json cannot be read"):
        state.settings()


def test_a_secret_is_made_once(state: State) -> None:
    made = state.secret("encryption-key")
    assert state.secret("encryption-key") == made
    assert len(base64.urlsafe_b64decode(made)) == 32
    assert mode(state.folder / "encryption-key") == 0o600


def test_the_files_and_their_modes(state: State, tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    (folder / "deep" / "edge").mkdir(parents=True)
    own = ("deep/compose.yml", "deep/edge/haproxy.cfg", "deep/Dockerfile.web.dockerignore")
    for name in ("a.secrets.env", *own):
        (folder / name).write_text(name)
    environment = (packaged_environments() / "production.toml").read_text()
    (folder / "a.toml").write_text(environment)
    accounts = Accounts(state)
    accounts.ensure_machines()
    found = wanted(state, Settings(environments=str(folder)), accounts)
    assert set(found["environments"]) == {"a.toml", *own}
    assert {f[1] for files in found.values() for f in files.values()} == {0o600, 0o444}
    assert found["database-secret"]["password"][1] == 0o444
    assert set(found["gateway-config"]) == {"Caddyfile", "routes", "accounts", "logins"}
    assert found["keys"] == {}


def test_what_configs_of_a_compose_file_name_is_brought_and_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    (folder / "deep").mkdir(parents=True)
    environment = (packaged_environments() / "production.toml").read_text()
    (folder / "a.toml").write_text(f'compose = "deep/compose.yml"\n{environment}')
    compose = folder / "deep" / "compose.yml"
    compose.write_text(
        "services: {web: {image: '${WEB_IMAGE}', configs: [a], secrets: [b]}}\n"
        "configs: {a: {file: ../web.conf}, c: {file: ./none}}\nsecrets: {b: {file: ./b.pem}}\n"
    )
    (folder / "web.conf").write_text("x")
    (folder / "deep" / "b.pem").write_text("x")
    found = volumes._environments(str(folder))
    assert set(found) == {"a.toml", "deep/compose.yml", "web.conf"}
    compose.rename(tmp_path / "compose.yml")
    (folder / "a.toml").write_text(f'compose = "../compose.yml"\n{environment}')
    with pytest.raises(
        WrongUse, match=r"environment a: its Compose file .* lies outside"
    ) as refused:
        volumes._environments(str(folder))
    assert (refused.value.where, refused.value.state) == (str(folder), "untouched")


def test_a_volume_holds_what_was_sent_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.chown", lambda *_: None)
    files = {"a/key": (base64.b64encode(b"secret").decode(), 0o600, 10001)}
    (tmp_path / "old").write_text("of yesterday")
    assert fill(tmp_path, files) is True
    assert fill(tmp_path, files) is False
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "a" / "key"]
    assert mode(tmp_path / "a" / "key") == 0o600
    assert mode(tmp_path / "a") == 0o700


def test_the_server_reads_its_secrets_from_files(tmp_path: Path) -> None:
    for name, text in (("database/password", "a/b@c"), ("server/encryption-key", "key=")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text + "\n")
    found = variables(tmp_path)
    assert found["PREFECT_SERVER_ENCRYPTION_KEY"] == "key="
    assert ":a%2Fb%40c@postgres:5432/" in found["PREFECT_SERVER_DATABASE_CONNECTION_URL"]


def test_an_image_is_named_after_what_is_in_it(tmp_path: Path) -> None:
    for part in PARTS:
        (tmp_path / part).mkdir(parents=True) if "." not in part else (tmp_path / part).write_text(
            ""
        )
    (tmp_path / "infra" / "a.py").write_text("1")
    first = fingerprint(tmp_path)
    (tmp_path / "infra" / "__pycache__").mkdir()
    (tmp_path / "infra" / "__pycache__" / "a.pyc").write_text("x")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text("x")
    assert fingerprint(tmp_path) == first
    (tmp_path / "infra" / "a.py").rename(tmp_path / "infra" / "b.py")
    assert fingerprint(tmp_path) != first


def test_images_of_earlier_states_go_but_for_the_ones_in_use() -> None:
    there = {
        "homeguru-flows:new",
        "homeguru-flows:before",
        "homeguru-flows:used",
        "homeguru-flows:old",
    }

    class Engine:
        def text(self, *args: str) -> str:
            if args[1] == "ls":
                return "\n".join(there)
            if args[2].endswith(":used"):
                raise DockerRefused("image is being used by running container")
            there.remove(args[2])
            return ""

    keep = {"homeguru-flows:new", "homeguru-flows:before"}
    assert prune(Engine(), keep) == ["homeguru-flows:old"]  # type: ignore[arg-type]
    assert there == keep | {"homeguru-flows:used"}


def test_a_worker_is_ours_and_takes_no_module_of_where_one_stands(monkeypatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: called.append(words))
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    said = CliRunner().invoke(control_plane, ["worker", "--pool", "another", "--name", "here"])
    assert said.exit_code == 0, said.output
    ours = ["-m", "infra.orchestration.worker"]
    assert called == [[sys.executable, "-P", *ours, "--pool", "another", "--name", "here"]]


def test_a_worker_without_a_server_is_refused_in_a_sentence(monkeypatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    said = CliRunner().invoke(control_plane, ["worker"])
    assert isinstance(said.exception, WrongUse)
    assert "no Prefect server is named" in said.exception.what
