"""Another deploy key: both are accepted until every copy is the new one, then the former one ends.

On every server that environments of this machine deploy to with it: each would be locked out otherwise.

What the files beside the key say decides what is done, so that a killed run is gone on with by the next
one: `KEY.next` is a new key that does not deploy yet, `KEY.former` one that is accepted still.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deployments.errors import Refused, StepFailed, WrongUse
from deployments.shell import authorized_keys
from deployments.shell.quote import Script
from infra.bootstrap.keys import COMMENT
from infra.environment import folders, locate
from infra.environment.locate import Located
from infra.machine.files import replace_file
from infra.ssh.connection import Remote
from infra.ssh.key import check_key_file, ensure_key, public_file, write_public

Log = Callable[[str], None]


class Perform(Protocol):
    """Runs a step of that name."""

    def __call__(self, name: str, work: Callable[[], object], /) -> object: ...


_here: list[Callable[[], bool]] = []


def confirm_here(ask: Callable[[], bool]) -> None:
    """Let somebody at this terminal say whether every copy of the former key was replaced."""
    _here[:] = [ask]


def sharing(located: Located) -> tuple[Located, ...]:
    """The environment, and others of this machine that deploy to other servers with the same key.

    One whose server nobody pinned deploys nowhere. Raises WrongUse for one that cannot be read, which may
    be one of them and would be locked out, and where the key opens something else too.
    """
    every = [locate.load(name) for name in folders.names() if name != located.environment.name]
    for each in (located, *every):
        _check_nothing_else(each, located.key_file)
    same = [x for x in every if x.key_file == located.key_file and x.environment.host.host_keys]
    by_server = {x.environment.ssh: x for x in (*reversed(same), located)}
    return (located, *(x for x in by_server.values() if x is not located))


def _check_nothing_else(place: Located, key: Path) -> None:
    """Who takes the former key there, is not reached: clones and copies of backups would be refused."""
    environment = place.environment
    others = {
        "source_key_file": environment.source_key_file,
        "[off_host] key_file": environment.off_host.key_file,
    }
    used = [name for name, file in others.items() if file and place.beside(file) == key]
    if used:
        raise WrongUse(
            f"{key} is not the deploy key alone: it is {' and '.join(used)} too", where=str(place.file),
            state="untouched",
            todo="make a key of its own for each: ssh-keygen -t ed25519 -N '' -f FILE; have it accepted, and "
            "name it there",
        )  # fmt: skip


class DeployKeyRotation:
    """The exchange of a key. Where nobody confirms, a second call ends the former key.

    places: every environment that deploys with it, the one that is asked for first; `sharing` says which.
    """

    def __init__(self, places: tuple[Located, ...], log: Log) -> None:
        self._places = places
        self._log = log
        key = places[0].key_file
        self._key, self._next, self._former = key, _beside(key, "next"), _beside(key, "former")

    def carry_out(self, perform: Perform) -> list[str]:
        """What was done, a phrase each."""
        check_key_file(self._key, self._places[0].environment.ssh)
        done = []
        # A key that is accepted still is from a call before this one, whose person has copied the new one.
        asked_again = self._former.exists() and not self._next.exists()
        if not asked_again:
            perform("make another key", self._make)
            perform("accept it beside the one of now", self._accept)
            perform("log in with it", lambda: self._log_in(self._next))
            perform("deploy with it", self._exchange)
            done.append(f"{self._key} is another key{self._of_several}")
        self._log(f"{self._former} is accepted by the server until it is ended")
        if all(ask() for ask in _here) if _here else asked_again:
            perform("end the former key", self._end)
            done.append("the former key is refused")
        return done

    @property
    def _of_several(self) -> str:
        names = ", ".join(place.environment.name for place in self._places)
        return f", of {names}" if len(self._places) > 1 else ""

    def _make(self) -> None:
        try:
            ensure_key(self._next, COMMENT)
        except OSError as error:
            raise WrongUse(
                f"no key can be written beside the one of now: {error.strerror}", where=str(self._key),
                state="untouched", todo="rotate it on the machine that the key belongs to, with --here",
            ) from None  # fmt: skip

    def _accept(self) -> None:
        """By the key of now; a killed run may have exchanged it already."""
        new, former = ensure_key(self._next), ensure_key(self._key)
        for place in self._places:
            script = authorized_keys.accept_beside(place.environment, new, former)
            _run(place, self._key, script)

    def _log_in(self, key: Path) -> None:
        for place in self._places:
            _run(place, key, Script("true\n"))

    def _exchange(self) -> None:
        """The former key first has a name of its own: at no moment there is none."""
        halves = (self._key, self._former), (public_file(self._key), public_file(self._former))
        for key, former in halves:
            if key.is_file():
                replace_file(former, key.read_bytes(), key.stat().st_mode & 0o777)
        # From the private half, which is moved last: a killed run may have left any of the public ones.
        write_public(self._key, f"{ensure_key(self._next)} {COMMENT}")
        self._next.replace(self._key)
        public_file(self._next).unlink(missing_ok=True)

    def _end(self) -> None:
        former, new = ensure_key(self._former), ensure_key(self._key)
        for place in self._places:
            _run(place, self._key, authorized_keys.end_key(place.environment, former, new))
        for place in self._places:
            self._is_refused(place)
        for file in (public_file(self._next), public_file(self._former), self._former):
            file.unlink(missing_ok=True)

    def _is_refused(self, place: Located) -> None:
        try:
            _run(place, self._former, Script("true\n"))
        except Refused:
            return
        raise StepFailed(
            "the server accepts the former key all the same", where=place.environment.ssh,
            state="the new key deploys, and the former one could",
            todo="find where the server takes it from (AuthorizedKeysFile and AuthorizedKeysCommand of "
            "its sshd_config), remove it there, then run the same command again",
        )  # fmt: skip


def _run(place: Located, key: Path, script: Script) -> None:
    remote = Remote(place.environment, key).open()
    try:
        output = remote.run(script)
    finally:
        remote.close()
    if output.code:
        raise StepFailed(
            output.tail or f"exit code {output.code}", where=remote.where,
            state="it accepts the key of before; another one may be accepted beside it",
            todo="correct what it says, then run the same command again: it goes on from there",
        )  # fmt: skip


def _beside(key: Path, what: str) -> Path:
    return key.with_name(f"{key.name}.{what}")
