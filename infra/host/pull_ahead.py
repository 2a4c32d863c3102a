"""Pulling images on a server while others are still built, for the deploy that follows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.errors import HomeguruError
from deployments.shell import images
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, join
from infra.environment.context import Assembly
from infra.host.actor import Actor
from infra.host.session import Host
from infra.machine.output import Mask

if TYPE_CHECKING:
    from infra.registry.api import Registry


class PullAhead:
    """Pulls images on a connection of its own and without the lock, those that are asked for together.

    Nothing depends on it: what cannot be pulled is tried again with what is pushed next, and a last time
    at the end; what is left then, the deploy pulls, and tells what is wrong. `pulled` counts the images
    that came; `refusal` is why others did not, empty where all did.
    """

    def __init__(self, host: Host, registry: Registry, login: tuple[str, str] | None) -> None:
        self._host, self._registry, self._login = host, registry, login
        self._beside = ThreadPoolExecutor(1)
        self._gave_up = False
        self._left: list[str] = []
        self.pulled = 0
        self.refusal = ""

    def pull(self, references: list[str]) -> None:
        """Ask for some, as the server names them."""
        self._beside.submit(self._pull, references)

    def give_up(self) -> None:
        """Ask for no more. What is being pulled goes on over there."""
        self._gave_up = True
        self._host.close()

    def finish(self) -> None:
        """Wait for what was asked for."""
        if not self._gave_up:
            self._beside.submit(self._pull, [])
        self._beside.shutdown(cancel_futures=self._gave_up)
        self._host.close()

    def _pull(self, references: list[str]) -> None:
        self._left += references
        if self._gave_up or not self._left:
            return
        try:
            self._host.open()
            with self._host.tunnel(self._registry, self._left):
                # The connection may have come after the end.
                if not self._gave_up:
                    said = self._host.read(self._script(self._left), self._files)
                    self.pulled += len(said.splitlines())
            self._left, self.refusal = [], ""
        except HomeguruError as error:
            self.refusal = "" if self._gave_up else error.what
            # A connection that broke is made anew.
            self._host.close()

    def _script(self, references: list[str]) -> Script:
        environment, incoming = self._host.environment, self._host.incoming
        login = (environment.pull_registry, self._login[0]) if self._login else ("", "")
        # Afterwards the deploy still finds the room that it needs.
        room = 2 * environment.need.disk_mb
        script = images.pull_ahead(references, room, incoming, login)
        return Script(join(prelude(environment), script.text), timeout=script.timeout)

    @property
    def _files(self) -> dict[str, str]:
        return {"registry.password": self._login[1]} if self._login else {}


@contextmanager
def pulling_ahead(assembly: Assembly, actor: Actor) -> Iterator[PullAhead]:
    """Pull what is asked for inside; the end waits for it, and an error ends it at once."""
    mask = Mask(assembly.hidden())
    host = Host(assembly.located, actor, "pull ahead", lambda _: None, mask=mask)
    with assembly.registry() as registry:
        ahead = PullAhead(host, registry, assembly.login())
        try:
            yield ahead
        except BaseException:
            ahead.give_up()
            raise
        finally:
            ahead.finish()
