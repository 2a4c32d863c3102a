"""One host during one run: connection, lock, tunnel, observations, guarded scripts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployments.compose.stack import Stack
from deployments.database.backups import Backup, described
from deployments.environment.schema import patience
from deployments.errors import Locked, StepFailed, Unreachable
from deployments.history.journal import Event, step_line
from deployments.history.step_kind import StepKey
from deployments.host.candidate import Candidate, ReleaseRecord, read_candidate, read_release_record
from deployments.host.observation import Observation, read_observation, sections
from deployments.host.script_results import Channel
from deployments.release.adopted_record import Adoption
from deployments.shell.adopt import compare, survey
from deployments.shell.backup import place
from deployments.shell.files import unpack
from deployments.shell.lock import FENCED, guarded, stop_work
from deployments.shell.observe import (
    SecretsSource,
    look,
    observe,
    read_candidate_script,
    read_files,
)
from deployments.shell.quote import Script
from infra.backups.off_host import OffHost
from infra.environment.locate import Located
from infra.host.actor import Actor
from infra.host.registry_tunnel import RegistryTunnel
from infra.host.seen_names import SeenNames
from infra.machine.output import Log, Mask, Output, with_results, without_results
from infra.ssh.ahead import remote
from infra.ssh.connection import Remote
from infra.ssh.files import RemoteFiles
from infra.ssh.session_lock import SessionLock
from infra.ssh.tarball import tarball

if TYPE_CHECKING:
    from infra.registry.api import Registry

TIMED_OUT = 124
"""What `timeout` says of a command that it had to end."""


@dataclass
class Host:
    """A host, connected by `open`. `token` fences this run's commands.

    mask: what it takes out of the log and of what commands say.
    read_from: whose file the environment was read from, for people.
    """

    located: Located
    actor: Actor
    verb: str
    log: Log
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    mask: Mask = field(default_factory=Mask)
    read_from: str = ""
    _lock: SessionLock | None = None

    def __post_init__(self) -> None:
        self.environment = self.located.environment
        self._remote = remote(self.environment, self.located.key_file)
        self.names = SeenNames(self.located)

    def open(self) -> None:
        """Connect, unless connected already."""
        if not self._remote.is_open:
            self._remote.open()

    def close(self) -> None:
        """Free the lock and close the connection; safe to call twice."""
        if self._lock:
            self._lock.release()
            self._lock = None
        self._remote.close()

    @property
    def locked(self) -> bool:
        """Whether this run holds the lock."""
        return self._lock is not None

    @property
    def patience(self) -> int:
        """Seconds that this run waits for another one."""
        return patience(self.environment, self.verb, self.actor.origin)

    @property
    def incoming(self) -> str:
        """Directory for this run's files, relative to the environment's."""
        return f".incoming/{self.token}" if self._lock else f".plan-{self.token}"

    def lock(self, one_off: str) -> None:
        """Take the lock; raises Locked with its owner when another run has it."""
        self._lock = self._new_lock(one_off)
        self._lock.acquire(self.patience)

    def _new_lock(self, one_off: str) -> SessionLock:
        owner = {
            "token": self.token, "who": self.actor.who, "run": self.actor.run, "verb": self.verb,
            "one_off": one_off,
        }  # fmt: skip
        return SessionLock(self._remote, owner, one_off, self.log)

    def reconnect(self) -> None:
        """After a broken connection: connect and take the same lock again, once.

        Raises Locked when another run had it meanwhile.
        """
        if self._lock is None:
            raise Unreachable(
                "the SSH connection broke",
                where=self.environment.ssh,
                todo="run the same command again; a deploy first ends or undoes what was begun",
            )
        self._lock.let_go()
        self._remote.close()
        self._remote = Remote(self.environment, self.located.key_file)
        self._remote.open()
        self._lock = self._new_lock("")
        self._lock.acquire(30, again=self.token)

    @property
    def connected(self) -> bool:
        """Whether the connection still stands and the heartbeat still reaches the host."""
        try:
            _ = self._remote.transport
        except Unreachable:
            return False
        return self._lock is None or not self._lock.lost

    def observe(self, stack: Stack) -> Observation:
        """Read the host."""
        seen = read_observation(self.read(observe(self.environment, stack)))
        self.names.saw(seen, stack.services)
        return seen

    def look(self, stack: Stack) -> tuple[Observation, ReleaseRecord]:
        """Read the host, and what it keeps of its current release."""
        output = self.read(look(self.environment, stack))
        seen = read_observation(output)
        self.names.saw(seen, stack.services)
        return seen, read_release_record(output)

    def survey(self, database: str) -> str:
        """Read what was deployed by hand. database: its service, or empty."""
        return self.read(survey(self.environment, database))

    def compare(self, adoption: Adoption) -> str:
        """Ask which containers Compose would make anew from the files that they were made from."""
        return self.read(compare(self.environment, adoption))

    def candidate(
        self, files: dict[str, str], mode: SecretsSource, made: tuple[str, ...], below: str = ""
    ) -> Candidate:
        """What Compose says of files to come. made: the database's service and the variable of its
        first password, or nothing. below: a directory in this run's own."""
        script = read_candidate_script(self.environment, self.incoming + below, mode, made)
        return read_candidate(self.read(script, files, below))

    def files(self, paths: list[str]) -> dict[str, str]:
        """Some files of the environment's directory; those not there are left out."""
        return sections(self.read(read_files(self.environment, paths)))

    def send(self, files: dict[str, str], below: str = "") -> None:
        """Write files into this run's incoming directory, or one below it."""
        self.read(Script("true\n"), files, below)

    def copy_out(self, store: OffHost, backup: str) -> None:
        """Copy a backup of this host into a store."""
        name = f"backups/{backup}.json"
        text = self.files([name]).get(name, "")
        made = described(text, backup, self.environment.ssh)
        stored = store.copy(RemoteFiles(self._remote), self.environment.directory, made)
        self.log(f"copied as {stored} to {store.store.where}")

    def copy_in(self, store: OffHost, backup: str, identity: Any | None) -> Backup:
        """Put a copy from a store back among this host's backups."""
        remote_files = RemoteFiles(self._remote)
        brought = store.bring(remote_files, self.environment.directory, backup, identity)
        self.read(place(self.environment, brought.id))
        return brought

    def read(self, script: Script, files: dict[str, str] | None = None, below: str = "") -> str:
        """Run a script that changes nothing; its output. files: written first, as `send` does."""
        output = self._run(script, None, files, below)
        if output.code != 0:
            hangs = "the server's commands do not end: does its Docker answer? docker ps"
            reason = hangs if output.code == TIMED_OUT else f"exit code {output.code}"
            raise StepFailed(
                self.mask(output.tail) or reason, where=self.environment.ssh,
                state="untouched",
             todo="correct what it says on the server, then run the same command again")  # fmt: skip
        return output.stdout

    def answers(self, script: Script) -> dict[str, str]:
        """What programs of the application say, section by section, masked."""
        return {name: self.mask(text) for name, text in sections(self.read(script)).items()}

    def _run(
        self, script: Script, log: Log | None, files: dict[str, str] | None, below: str = ""
    ) -> Output:
        """Run a script; files travel with it into this run's incoming directory."""
        if not files:
            return self._remote.run(script, log)
        directory = f"{self.environment.directory}/{self.incoming}{below}"
        return self._remote.run(unpack(directory, script), log, tarball(files))

    def follow(self, script: Script) -> int:
        """Run a script and log its output as it comes."""
        return self._remote.run(script, self.mask.log(self.log)).code

    def work(
        self, step: StepKey, script: Script, event: Event, before: str = "", after: str = "",
        files: dict[str, str] | None = None, follow: Log | None = None,
    ) -> Output:  # fmt: skip
        """Run a script that changes something, under the work lock, with its journal lines.

        before, after: further journal lines around the step's own; `after` on success only.
        files: written first, as `send` does. follow: gets what the script says of its progress.
        """
        assert self._lock is not None, "changing a host needs its lock"
        self._lock.check()
        channel = Channel(secrets.token_hex(16))
        begin = step_line(step, event, self.token)
        end = step_line(step, "end", self.token, "@OUTCOME@")
        guarded_script = guarded(
            self.environment, self.actor.run, self.token,
            "\n".join(filter(None, (before, begin))), end, after, script, channel.nonce,
        )  # fmt: skip
        log = without_results(channel, self.mask.log(self.log), follow)
        output = self.mask.output(with_results(channel, self._run(guarded_script, log, files)))
        if output.code == FENCED:
            raise Locked(
                f"another run took environment {self.environment.name} meanwhile",
                state="as that run leaves it",
                todo=f"homeguru status --env {self.environment.name} shows what runs; then run this again if it is still wanted",
            )
        return output

    def stop_work(self) -> None:
        """End the command of this run that an interrupt left at work."""
        self._remote.run(stop_work(self.environment, self.token))

    def tunnel(self, registry: Registry, references: Sequence[str]) -> AbstractContextManager[None]:
        """Give the host the deployer's registry, where it lacks one of these images."""
        tunnel = RegistryTunnel(
            self.environment, lambda: self._remote.transport, self.read, self.log
        )
        return tunnel.opened(registry, references)
