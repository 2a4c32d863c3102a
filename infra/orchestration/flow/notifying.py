"""Notifications of a run: sent where the environment names addresses, never at the price of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect import runtime
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from deployments.errors import ExitCode, HomeguruError, Locked
from deployments.messages.notices import Asker, Notice, Writer
from deployments.verbs import traits
from infra import notices
from infra.environment.context import Assembly
from infra.host.actor import Actor
from infra.orchestration.flow.embedded import named
from infra.orchestration.flow.tasks import log


def page_of_run() -> str:
    """Address of this run's page; empty where the server lives only as long as this process."""
    base = PREFECT_UI_URL.value() if named(PREFECT_API_URL.value()) else None
    return f"{base.rstrip('/')}/runs/flow-run/{runtime.flow_run.id}" if base else ""


class Notifier:
    """Sends notifications to the addresses that the environment names."""

    def __init__(self, assembly: Assembly) -> None:
        self._environment = assembly.located.environment
        self._urls = assembly.notice_urls()

    def send(self, write: Callable[[Writer], Notice]) -> bool:
        """Send; whether anybody was reached. Without an address there is nobody to miss.

        Who was reached gets no second message for the sake of an address that is dead.
        """
        settings = self._environment.notices
        if not settings.urls:
            return True
        if self._urls is None:
            log(f"no notification was sent: secret {settings.urls} is missing")
            return False
        notice = write(Writer(self._environment.name, settings.language))
        sent = notices.send(self._urls, notice, telegram_api=settings.telegram_api)
        for problem in sent.failed:
            log(f"notice not sent to {problem}")
        if not sent.failed:
            log(f"notified: {notice.title}")
        return sent.reached > 0

    def by(self, actor: Actor) -> Asker:
        """Who asked, with the page that people open: the run's, else the one in Actions."""
        return Asker(actor.who, page_of_run() or actor.link)

    @contextmanager
    def failure_of(self, verb: str, actor: Callable[[], Actor]) -> Iterator[None]:
        """Notify of a verb that failed. A refusal and wrong input are answered to the asker alone.

        A schedule has no asker, so that a lock it waited for in vain is notified too.
        """
        try:
            yield
        except HomeguruError as error:
            failure = error
            who = actor()
            waited = isinstance(error, Locked) and who.origin == "schedule"
            if traits(verb).notifies_failure and (waited or error.exit_code == ExitCode.FAILED):
                self.send(lambda write: write.failed(verb, failure, self.by(who)))
            raise
