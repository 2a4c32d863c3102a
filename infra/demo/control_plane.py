"""A control plane and a production server on this machine, and a release through both."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi

from deployments.compose.variables import block_name
from infra.control.plane import ControlPlane
from infra.control.settings import PROJECT, State
from infra.engine.client import DockerFailed, docker
from infra.engine.daemon import ensure_engine, stop_engine
from infra.engine.images import ALL, CADDY, DOCKER, ensure_images
from infra.environment.secrets import SecretsFile
from infra.machine.long_processes import Say, run_long
from infra.orchestration.api.button import press
from infra.orchestration.api.client import PrefectApi
from infra.sandbox.environment import write_environment
from infra.sandbox.sandbox import Sandbox, SandboxInfo

ENVIRONMENT = "sandbox"
#: In a flow container the registry has this name; what ends with localhost is spoken to without TLS.
REGISTRY_NAME = "registry.localhost"


@dataclass
class ControlDemo:
    """Everything under one state folder; `project` and `sandbox` name its containers."""

    state: Path
    say: Say
    project: str = PROJECT
    sandbox: str = "homeguru-control-demo"
    image: str = ""
    phases: list[tuple[str, float]] = field(default_factory=list)

    def up(self, source: Path) -> dict[str, Any]:
        """Bring everything up, publish `source` from here, deploy it from there; converges."""
        self.prepare()
        published = self._timed("publish", lambda: self.publish(source))
        deployed = self._timed("deploy", lambda: self.deploy(published["name"]))
        return {"ui": self.plane.settings.url, "published": published["name"], **deployed}

    def prepare(self) -> SandboxInfo:
        """The sandbox and the control plane, connected, with accounts and Secret blocks."""
        self._timed("engine", lambda: ensure_engine(self.say, self.state / "engine"))
        self._timed("images", lambda: ensure_images((*ALL, CADDY, DOCKER), self.say))
        info: SandboxInfo = self._timed("sandbox", self._sandbox().up)
        self.join(info, write_environment(info, self.state / "here", ENVIRONMENT))
        return info

    def join(self, info: SandboxInfo, file: Path) -> None:
        """The control plane beside a sandbox that is up, for the environment in `file`."""
        self._write(info, file)
        plane = self.plane
        self._timed("control plane", lambda: plane.up(self.image, cut_off=True))
        connect(plane.settings.project, f"{self.sandbox}-server")
        connect(plane.settings.project, f"{self.sandbox}-registry", REGISTRY_NAME)
        self._blocks()

    def down(self) -> None:
        """Remove all of it."""
        self.leave()
        self._sandbox().down()
        stop_engine(self.say, self.state / "engine")

    def leave(self) -> None:
        """Remove the control plane alone."""
        settings = State(self.state / "control-plane")
        if (settings.folder / "settings.json").exists():
            for part in ("server", "registry"):
                disconnect(self.plane.settings.project, f"{self.sandbox}-{part}")
            self.plane.down(volumes_too=True, cut_off=True)
        shutil.rmtree(self.state / "control-plane", ignore_errors=True)

    @property
    def plane(self) -> ControlPlane:
        """The control plane, with the ports that it had before."""
        state = State(self.state / "control-plane")
        chosen = {"environments": str(self.state / "there"), "keys": str(self.state / "keys")}
        settings = state.choose(project=self.project, address="127.0.0.1", **chosen)
        if settings.https == 443:
            ports = {"http": free_port(), "https": free_port()}
            settings = state.choose(
                project=self.project, address="127.0.0.1", bind="127.0.0.1", **chosen, **ports
            )
            state.keep(settings)
        return ControlPlane(state, settings, self.say)

    def password(self, name: str) -> str:
        """Password of an account of the demo; kept in its state folder, for it is a demo."""
        file = self.state / "passwords.json"
        passwords: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        plane = self.plane
        if name not in passwords or name not in plane.accounts.names():
            passwords[name] = secrets.token_urlsafe(24)
            plane.accounts.add(name, passwords[name])
            file.touch(mode=0o600)
            file.write_text(json.dumps(passwords))
            plane.refresh()
        return passwords[name]

    def variables(self, account: str) -> dict[str, str]:
        """How a process of this machine reaches the control plane as this account."""
        own = self.state / "control-plane" / "ca.crt"
        trusted = Path(os.environ.get("SSL_CERT_FILE") or certifi.where()).read_text()
        bundle = self.state / "trust.pem"
        bundle.write_text(f"{trusted}\n{own.read_text()}")
        return {
            "PREFECT_API_URL": f"{self.plane.settings.url}/api",
            "PREFECT_API_AUTH_STRING": f"{account}:{self.password(account)}",
            "SSL_CERT_FILE": str(bundle), "PREFECT_API_SSL_CERT_FILE": str(bundle),
            "HOMEGURU_ENVIRONMENTS": str(self.state / "here"),
            "HOMEGURU_STATE": str(self.state / "home"),
        }  # fmt: skip

    def api(self, account: str) -> PrefectApi:
        """The API as this account."""
        variables = self.variables(account)
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = variables["SSL_CERT_FILE"]
        try:
            return PrefectApi(variables["PREFECT_API_URL"], variables["PREFECT_API_AUTH_STRING"])
        finally:
            if before is None:
                del os.environ["SSL_CERT_FILE"]
            else:
                os.environ["SSL_CERT_FILE"] = before

    def publish(self, source: Path) -> dict[str, Any]:
        """Publish from this machine, as a runner does; its history goes to the control plane."""
        words = ["publish", "--env", ENVIRONMENT, "--source", str(source), "--allow-dirty"]
        shown = run_long(
            [sys.executable, "-m", "infra.cli", *words, "--here", "--json"], "publishing",
            self.say, timeout=1200, env={**os.environ, **self.variables("reporter")},
        )  # fmt: skip
        result: dict[str, Any] = json.loads(shown.strip().splitlines()[-1])
        return result

    def deploy(self, release: str) -> dict[str, Any]:
        """Press the button, as Actions does; a container of the Docker worker carries it out."""
        parameters = {"environment": ENVIRONMENT, "release": release}
        api = self.api("trigger")
        try:
            return press(api, "deploy", parameters, tags=[], key="", say=self.say)
        finally:
            api.close()

    def _sandbox(self) -> Sandbox:
        return Sandbox(self.sandbox, self.state / "sandbox", self.say)

    def _write(self, info: SandboxInfo, file: Path) -> None:
        """The environment twice: as this machine sees the server, and as a container does."""
        here, there, keys = (self.state / name for name in ("here", "there", "keys"))
        for folder in (here, there, keys):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.parent != here:
            for name in (file.name, f"{ENVIRONMENT}.secrets.env"):
                shutil.copy(file.with_name(name), here / name)
        shutil.copy(info.ssh_key, keys / "sandbox")
        server = f"{self.sandbox}-server"
        text = file.read_text()
        for before, after in (
            (f'push_registry = "{info.registry}"', f'push_registry = "{REGISTRY_NAME}:5000"'),
            ('address = "127.0.0.1"', f'address = "{server}"'),
            (f"port = {info.ssh_port}", "port = 22"),
            (f'key_file = "{info.ssh_key}"', 'key_file = "~/.ssh/sandbox"'),
            (f'api = "{info.api_url}"', f'api = "http://{server}:8003"'),
            (f'frontend = "{info.frontend_url}"', f'frontend = "http://{server}:3003"'),
            (f'file = "{ENVIRONMENT}.secrets.env"\n', ""),
        ):
            text = text.replace(before, after)
        (there / file.name).write_text(text)

    def _blocks(self) -> None:
        """The environment's secrets as Secret blocks, written by the account for that."""
        values = SecretsFile(self.state / "here" / f"{ENVIRONMENT}.secrets.env")
        names = [line.partition("=")[0] for line in _lines(self.state / "here")]
        api = self.api("secrets")
        try:
            kind = api.get("/block_types/slug/secret")["id"]
            wanted = {"block_schemas": {"block_type_id": {"any_": [kind]}}}
            schema = api.post("/block_schemas/filter", wanted)[0]["id"]
            for name in names:
                block = block_name(ENVIRONMENT, name)
                if api.find(f"/block_types/slug/secret/block_documents/name/{block}") is None:
                    api.post("/block_documents/", {
                        "name": block, "data": {"value": values.get(name)},
                        "block_type_id": kind, "block_schema_id": schema,
                    })  # fmt: skip
        finally:
            api.close()

    def _timed(self, name: str, work: Any) -> Any:
        begin = time.monotonic()
        result = work()
        self.phases.append((name, time.monotonic() - begin))
        return result


def connect(network: str, container: str, alias: str = "") -> None:
    """Let the control plane's containers reach a container of the sandbox."""
    try:
        docker("network", "connect", *(("--alias", alias) if alias else ()), network, container)
    except DockerFailed as error:
        if "already exists" not in str(error):
            raise


def disconnect(network: str, container: str) -> None:
    """The reverse; what is not connected, or not there, is disconnected."""
    try:
        docker("network", "disconnect", "--force", network, container)
    except DockerFailed as error:
        if not any(sign in str(error) for sign in ("is not connected", "o such", "not found")):
            raise


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lines(folder: Path) -> list[str]:
    return (folder / f"{ENVIRONMENT}.secrets.env").read_text().splitlines()
