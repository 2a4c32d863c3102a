"""Bring a control plane up, and down again. What is as it should be is left alone."""

from __future__ import annotations

import json
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from deployments.errors import Unreachable
from infra.control import at_work, owner, versions, volumes, way_back
from infra.control.accounts import Accounts
from infra.control.database import PlaneDatabase
from infra.control.docker import Compose, Docker, DockerRefused
from infra.control.image import ensure_image, prune
from infra.control.settings import Settings, State
from infra.machine.long_processes import Say
from infra.machine.waiting import wait_until

SOCKET = "/var/run/docker.sock"
RELOAD = (
    "caddy", "reload", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile",
    "--address", "unix//run/caddy/admin.sock",
)  # fmt: skip
FORCE = ("--force",)
SECRETS = {"server-secret", "database-secret"}
"""Volumes whose files the server reads at its start."""
ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"


@dataclass
class Outcome:
    """What `up` or `upgrade` did; `certificate` is the file of the gateway's own CA, empty with ACME."""

    url: str
    changes: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    certificate: str = ""
    backup: str = ""
    seconds: float = 0.0


class ControlPlane:
    """One control plane, described by its state folder."""

    def __init__(self, state: State, settings: Settings, say: Say) -> None:
        self.state, self.settings, self.say = state, settings, say
        self.docker = Docker(state, settings, say)
        self.accounts = Accounts(state)

    def up(self, image: str = "", *, cut_off: bool = False) -> Outcome:
        """Converge; raises HomeguruError with what stands in the way. cut_off: runs at work too."""
        begin = time.monotonic()
        outcome = Outcome(self.settings.url)
        # First of all, and in a sentence: a build's own complaint is Docker's raw text.
        self.docker.text("version", "--format", "{{.Server.Version}}")
        image = ensure_image(self.docker, image)
        running = self.server_image()
        versions.refuse_another(self.docker, running or self.image(), image)
        self.refuse_another_state(image)
        if running and (running != image or self._changed()) and not cut_off:
            self.refuse_runs()
        # Not before: what was refused is asked again next time.
        if self.state.keep(self.settings):
            outcome.changes.append("settings")
        return self.converge(image, outcome, begin)

    def converge(self, image: str, outcome: Outcome, begin: float) -> Outcome:
        """Bring everything to this image, whatever ran before."""
        image_before = self.image()
        if image != image_before:
            outcome.changes.append(f"image {image}")
        if not image_before:
            # Nothing to go back to; later ones are kept when they have started.
            self.state.write("image", image)
        self.accounts.ensure_machines()
        outcome.people = self.accounts.people()
        pushed = self.push(image)
        outcome.changes += [f"files: {name}" for name in pushed]
        compose = self.compose(image)
        before = compose.containers()
        self._start(compose, image, outcome, pushed)
        self.state.write("image", image)
        way_back.end(self.state)
        self._announce(compose, before, outcome, changed="gateway-config" in pushed)
        outcome.certificate = self._certificate(compose)
        self._await_gateway()
        if image_before != image:
            # The one before stays: it is the way back.
            prune(self.docker, {image, image_before})
        PlaneDatabase(self.docker, compose.containers()["postgres"]).keep()
        outcome.seconds = time.monotonic() - begin
        return outcome

    def refresh(self) -> None:
        """Bring changed files there; a gateway that runs takes the accounts as they are now.

        Also when no file differs: whoever brought them may have been killed before the gateway took them.
        """
        if not (image := self.image()):
            self.say("it was never up, and takes it at its start: homeguru control-plane up")
            return
        self.refuse_another_state(image)
        self.push(image)
        if self._gateway_runs():
            self._reload(*FORCE)
        else:
            self.say(
                "the gateway does not run, and takes it at its start: homeguru control-plane up"
            )

    def down(self, *, volumes_too: bool = False, cut_off: bool = False) -> None:
        """Stop and remove the containers; the data only when it is asked for. cut_off: runs at work too."""
        if not cut_off:
            self.refuse_runs()
        self.end_runs()
        label = f"label={volumes.LABEL}={self.settings.project}"
        if flows := self.docker.text("ps", "-aq", "--filter", label).split():
            self.docker.text("rm", "-f", *flows)
        words = ["--volumes"] if volumes_too else []
        self.compose(self.image() or "none").text("down", "--remove-orphans", *words, timeout=300)
        if volumes_too and (
            volume_names := self.docker.text("volume", "ls", "-q", "--filter", label).split()
        ):
            self.docker.text("volume", "rm", *volume_names)

    def refuse_runs(self) -> None:
        """Raise Refused where workers carry out runs; a server that does not answer has none."""
        at_work.refuse(self.docker, self._containers().get("server", ""))

    def end_runs(self) -> None:
        """End what the workers carry out, and let nothing begin."""
        at_work.end(self.docker, self._containers())

    def refuse_another_state(self, image: str) -> None:
        """Raise Refused where another state folder's control plane is there."""
        owner.refuse_another_state(self.docker, image, self.state)

    def image(self) -> str:
        """The image of the last `up` that succeeded, or of the first; empty before."""
        file = self.state.folder / "image"
        return file.read_text() if file.exists() else ""

    def compose(self, image: str) -> Compose:
        """Compose with this control plane's variables; none of them is a secret."""
        return self.docker.compose({
            **_variables(self.settings),
            "CONTROL_IMAGE": image, "CONTROL_DOCKER_GROUP": self._group(image),
        })  # fmt: skip

    def migrate(self, compose: Compose) -> None:
        """Bring the database to the image's version, with the server's own command."""
        compose.long("starting postgres", "up", "-d", "--wait", "postgres")
        self.say("bringing Prefect's database to the version of the image")
        command = ("python", "-m", "infra.control.start", "server", "database", "upgrade", "-y")
        compose.long("database upgrade", "run", "--rm", "--no-deps", "-T", "server", *command)

    def push(self, image: str) -> list[str]:
        """Write the volumes' files; returns the volumes that changed."""
        return volumes.push(
            self.docker, image, volumes.wanted(self.state, self.settings, self.accounts)
        )

    def _start(self, compose: Compose, image: str, outcome: Outcome, pushed: list[str]) -> None:
        before = self.server_image()
        if before and (before != image or SECRETS & {*pushed}):
            # Nothing begins, and nothing writes, while the database is migrated; and a server reads
            # its secrets at its start alone.
            compose.long("stopping", "stop", "worker-docker", "worker", "server", timeout=180)
        if before != image:
            self.migrate(compose)
        compose.long("starting the server", "up", "-d", "--wait", "server", "gateway")
        outcome.changes += self._register(compose, image)
        compose.long("starting the workers", "up", "-d", "--wait", "--remove-orphans")

    def server_image(self) -> str:
        """The image of the server's container, whether it runs or not; empty without one."""
        server = self._containers().get("server")
        if server is None:
            return ""
        return self.docker.text("inspect", "--format", "{{.Config.Image}}", server)

    def _containers(self) -> dict[str, str]:
        return self.compose("none").containers()

    def _changed(self) -> bool:
        """Whether containers start anew because of other settings than those of the last `up`."""
        return not self.state.has_settings or _variables(self.state.settings()) != _variables(
            self.settings
        )

    def _register(self, compose: Compose, image: str) -> list[str]:
        """Pools, deployments, limits, schedules, automations: `homeguru setup`, in there."""
        self.say("registering pools, deployments and automations")
        shown = compose.long(
            "registering", "run", "--rm", "--no-deps", "-T", "worker",
            "python", "-m", "infra.control.register", self.settings.project, image,
        )  # fmt: skip
        *lines, last = shown.strip().splitlines()
        for line in lines:
            self.say(line)
        count = json.loads(last)["changed"]
        return [f"{count} registrations"] if count else []

    def _announce(
        self, compose: Compose, before: dict[str, str], outcome: Outcome, *, changed: bool
    ) -> None:
        after = compose.containers()
        started = [s for s, container in after.items() if before.get(s) != container]
        outcome.changes += [f"started {service}" for service in sorted(started)]
        if "gateway" not in started:
            # Without --force a gateway that has it all goes on undisturbed.
            self._reload(*FORCE if changed else ())

    def _gateway_runs(self) -> bool:
        gateway = self._containers().get("gateway")
        shape = ("inspect", "--format", "{{.State.Running}}")
        return bool(gateway) and self.docker.text(*shape, gateway or "") == "true"

    def _reload(self, *words: str) -> None:
        self.docker.text("exec", self._containers()["gateway"], *RELOAD, *words)

    def _group(self, image: str) -> str:
        """The group that may use the engine's socket; a number, for it has no name in there."""
        if image == "none":
            return "0"
        file, host = self.state.folder / "docker-group", self.settings.host or "here"
        cached = file.read_text().split() if file.exists() else []
        # The number differs from host to host: another one is asked anew.
        if len(cached) != 2 or cached[0] != host:
            stat = f"import os; print(os.stat('{SOCKET}').st_gid)"
            words = ("run", "--rm", "--network", "none", "-v", f"{SOCKET}:{SOCKET}:ro", image)
            cached = [host, self.docker.text(*words, "python", "-c", stat).strip()]
            self.state.write("docker-group", " ".join(cached))
        return cached[1]

    def _certificate(self, compose: Compose) -> str:
        """Keep the root certificate of the gateway's own CA; its file, empty with ACME."""
        if self.settings.tls == "acme":
            return ""
        gateway = compose.containers()["gateway"]
        words = ("exec", gateway, "cat", ROOT_CERTIFICATE)

        def written() -> str:
            # It is there a moment after the gateway's start.
            with suppress(DockerRefused, Unreachable):
                return self.docker.text(*words)
            return ""

        text = wait_until(written, 20) or self.docker.text(*words)
        self.state.write("ca.crt", text + "\n")
        return str(self.state.folder / "ca.crt")

    def _await_gateway(self, seconds: float = 30) -> None:
        """Ask for the health through the front door, as anybody would."""
        problem = ""

        def healthy() -> bool:
            nonlocal problem
            try:
                problem = "not healthy"
                return self.ask("/api/health").is_success
            except httpx.HTTPError as error:
                problem = str(error)
                return False

        if not wait_until(healthy, seconds):
            # With ACME a name that does not point here yet is the usual reason.
            self.say(f"{self.settings.url} does not answer from here yet: {problem}")

    def ask(self, path: str, auth: tuple[str, str] | None = None) -> httpx.Response:
        """One request through the gateway, with its certificate verified."""
        own = self.state.folder / "ca.crt"
        trust: ssl.SSLContext | bool = True
        if self.settings.tls == "internal":
            trust = ssl.create_default_context(cafile=str(own))
        with httpx.Client(verify=trust, trust_env=False, timeout=10) as client:
            return client.get(f"{self.settings.url}{path}", auth=auth)


def _variables(settings: Settings) -> dict[str, str]:
    """Compose's variables that come from the settings: what changes them starts containers anew."""
    return {
        "CONTROL_PROJECT": settings.project,
        "CONTROL_ADDRESS": settings.address, "CONTROL_URL": settings.url,
        "CONTROL_TLS": settings.tls, "CONTROL_BIND": settings.listens,
        "CONTROL_HTTP": str(settings.http), "CONTROL_HTTPS": str(settings.https),
        "CONTROL_BUILDER": settings.builder,
    }  # fmt: skip
