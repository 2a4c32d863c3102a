"""The engine that carries the control plane: this machine's, or a host's over SSH.

Over SSH the Docker client itself speaks to the remote engine (`DOCKER_HOST=ssh://`). It calls
`ssh` as it finds it on PATH, with the person's configuration and whatever hosts that trusts;
so it finds ours, which accepts one pinned host key and nothing else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

from deployments.errors import HomeguruError, Unreachable, WrongUse
from infra.control.settings import Settings, State
from infra.machine.long_processes import CommandFailed, Say, run_long
from infra.machine.processes import TimedOut, end, run, start

DATA = Path(__file__).resolve().parent.parent / "control-plane"


_AWAY = ("Cannot connect to the Docker daemon", "error during connect")


class DockerRefused(HomeguruError):
    """The Docker client failed; the text is its complaint."""


class Docker:
    """Calls of the Docker client for one control plane."""

    def __init__(self, state: State, settings: Settings, say: Say) -> None:
        self.settings, self.say = settings, say
        self._state = state
        self.env = {**os.environ, **_remote(state, settings)}

    def run(self, *args: str, data: bytes | None = None, timeout: float = 120) -> bytes:
        """Run `docker` and return its output; `data` goes to its standard input."""
        shown = "docker " + " ".join(args[:3])
        try:
            completed = run("docker", *args, stdin=data or b"", timeout=timeout, env=self.env)
        except TimedOut:
            raise DockerRefused(f"{shown}: no end after {timeout:.0f} s") from None
        if completed.code:
            complaint = completed.stderr.strip()
            if any(sign in complaint for sign in _AWAY) or "ssh" in complaint.split()[:1]:
                raise Unreachable(
                    f"the Docker engine does not answer: {complaint}",
                    where=self.settings.host or "this machine", state="unchanged",
                 todo="does it run, and may this user use it? docker info")  # fmt: skip
            raise DockerRefused(f"{shown}: {complaint}")
        return completed.raw

    def text(self, *args: str, data: bytes | None = None, timeout: float = 120) -> str:
        """Like `run`, as stripped text."""
        return self.run(*args, data=data, timeout=timeout).decode(errors="replace").strip()

    def long(self, label: str, *args: str, timeout: float = 900) -> str:
        """Run `docker` with progress; raises CommandFailed."""
        return run_long(["docker", *args], label, self.say, timeout=timeout, env=self.env)

    @contextmanager
    def stream(self, label: str, *args: str, stdin: int = DEVNULL) -> Iterator[Popen[bytes]]:
        """Start `docker` with pipes, and see it end well; a failure in between kills it."""
        with tempfile.TemporaryFile() as complaints:
            process = start(
                ["docker", *args], stdin=stdin, stdout=PIPE if stdin == DEVNULL else DEVNULL,
                stderr=complaints, env=self.env,
            )  # fmt: skip
            try:
                yield process
                process.wait(600)
            except TimeoutExpired:
                raise DockerRefused(f"{label}: no end within 600 s") from None
            finally:
                if process.poll() is None:
                    end(process)
            if process.returncode:
                complaints.seek(0)
                complaint = complaints.read().decode(errors="replace").strip()[-600:]
                raise DockerRefused(f"{label}: {complaint or process.returncode}")

    def compose(self, variables: dict[str, str]) -> Compose:
        """Compose for this control plane with these variables."""
        return Compose(self, variables)

    def exists(self, kind: str, name: str) -> bool:
        """Whether the engine has this image, volume or network."""
        try:
            self.run(kind, "inspect", "--format", "x", name)
        except DockerRefused:
            return False
        return True


class Compose:
    """`docker compose` with our file and nothing of the person's environment."""

    def __init__(self, docker: Docker, variables: dict[str, str]) -> None:
        # A copy: two of these with other images must not change each other.
        self._docker = copy(docker)
        self._docker.env = {**docker.env, **variables}
        file, project = str(DATA / "compose.yml"), docker.settings.project
        # -p: a COMPOSE_PROJECT_NAME of the person's would take precedence over the file's name.
        self._words = ("compose", "-p", project, "-f", file, "--env-file", "/dev/null")

    def text(self, *args: str, timeout: float = 120) -> str:
        """Run a short command and return what it printed."""
        return self._docker.text(*self._words, *args, timeout=timeout)

    def long(self, label: str, *args: str, timeout: float = 900) -> str:
        """Run a command with progress; raises StepFailed with the services that are not well."""
        try:
            return self._docker.long(label, *self._words, *args, timeout=timeout)
        except CommandFailed as error:
            raise HomeguruError(
                f"{label} failed: {error}", state="partly up",
                todo="read the log of what is not well: docker logs CONTAINER; then run the command again",
            ) from None  # fmt: skip

    def containers(self) -> dict[str, str]:
        """Service to container id; what runs once is left out."""
        label = f"label=com.docker.compose.project={self._docker.settings.project}"
        shape = (
            '{{.Label "com.docker.compose.service"}} {{.ID}} {{.Label "com.docker.compose.oneoff"}}'
        )
        listing = self._docker.text("ps", "-a", "--no-trunc", "--filter", label, "--format", shape)
        rows = (line.split(" ") for line in listing.splitlines())
        return {row[0]: row[1] for row in rows if row[2] != "True"}


def _remote(state: State, settings: Settings) -> dict[str, str]:
    if not settings.host:
        return {}
    if not settings.host_key:
        raise WrongUse(
            f"no host key is given for {settings.host}, and an unknown host is never trusted",
            todo="--host-key 'ssh-ed25519 AAAA...': read it on its console, "
            "/etc/ssh/ssh_host_ed25519_key.pub",
        )  # fmt: skip
    user, _, rest = settings.host.rpartition("@")
    name, _, port = rest.partition(":")
    known_hosts = f"{name if not port else f'[{name}]:{port}'} {settings.host_key}\n"
    state.write("known_hosts", known_hosts)
    (state.folder / "bin").mkdir(exist_ok=True, mode=0o700)
    state.write("bin/ssh", _wrapper(state.folder / "known_hosts", settings.ssh_key))
    (state.folder / "bin" / "ssh").chmod(0o700)
    where = f"{user}@{name}" if user else name
    return {
        "DOCKER_HOST": f"ssh://{where}:{port or 22}",
        "PATH": f"{state.folder / 'bin'}:{os.environ['PATH']}",
    }


def _wrapper(known_hosts: Path, key: str) -> str:
    program = shutil.which("ssh")
    if program is None:
        raise WrongUse(
            "ssh is not installed on this machine",
            todo="install it: apt-get install openssh-client",
        )
    options: Sequence[str] = (
        "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
        "-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
        "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=5",
        *(("-o", "IdentitiesOnly=yes", "-i", str(Path(key).expanduser())) if key else ()),
    )  # fmt: skip
    return f'#!/bin/sh\nexec {shlex.join([program, *options])} "$@"\n'
