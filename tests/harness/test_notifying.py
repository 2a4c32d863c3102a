"""Who is told, and when it counts as told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deployments.errors import Locked, StepFailed
from deployments.messages.notices import Asker
from infra.notices import Sent
from infra.orchestration.flow import notifying
from infra.orchestration.flow.notifying import Notifier

pytestmark = pytest.mark.harness


@pytest.fixture
def tell(monkeypatch):
    """Tell two addresses, some of which are dead."""
    monkeypatch.setattr(notifying, "log", lambda _: None)

    def told(*dead: str) -> bool:
        monkeypatch.setattr(notifying.notices, "send", lambda *_, **__: Sent(2 - len(dead), dead))
        notices = SimpleNamespace(urls="NOTIFY_URLS", language="en", telegram_api="")
        environment = SimpleNamespace(name="production", notices=notices)
        notifier = Notifier(
            SimpleNamespace(
                located=SimpleNamespace(environment=environment),
                notice_urls=lambda: "tgram://one slack://two",
            )
        )
        failure = StepFailed("it broke", where="host", state="as before")
        return notifier.send(lambda write: write.failed("deploy", failure, Asker("anna", "")))

    return told


@pytest.mark.parametrize(
    ("dead", "told"), [((), True), (("slack: no",), True), (("tgram: no", "slack: no"), False)]
)
def test_who_was_reached_is_not_told_again_for_the_sake_of_a_dead_address(tell, dead, told) -> None:
    assert tell(*dead) is told


@pytest.mark.parametrize(
    ("verb", "origin", "told"),
    [
        ("backup", "schedule", True), ("drill", "schedule", True), ("backup", "terminal", False),
        ("verify", "schedule", False),
    ],
)  # fmt: skip
def test_a_schedule_that_waited_in_vain_is_told(monkeypatch, verb, origin, told) -> None:
    """Nobody sees the refusal of a run that nobody asked for."""
    environment = SimpleNamespace(notices=None, name="prod")
    notifier = Notifier(SimpleNamespace(
        located=SimpleNamespace(environment=environment), notice_urls=lambda: None
    ))  # fmt: skip
    sent: list[object] = []
    monkeypatch.setattr(notifier, "send", sent.append)
    actor = SimpleNamespace(origin=origin)
    with pytest.raises(Locked), notifier.failure_of(verb, lambda: actor):
        raise Locked("environment prod is being changed", state="as that run leaves it")
    assert bool(sent) is told
