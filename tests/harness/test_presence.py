"""How often Prefect's client repeats what a run asks, and what that takes."""

from __future__ import annotations

import httpx
import pytest
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, PREFECT_LOGGING_LEVEL, temporary_settings

from infra.orchestration.flow import presence

pytestmark = pytest.mark.harness


@pytest.fixture(autouse=True)
def forgotten(monkeypatch) -> None:
    monkeypatch.setattr(presence, "_lost", False)
    monkeypatch.setattr(presence, "_copies", {})
    monkeypatch.setattr(presence, "log", lambda _: None)


def repetitions() -> int:
    return PREFECT_CLIENT_MAX_RETRIES.value()


def test_a_request_is_repeated_as_often_as_is_said_and_no_more_after_it() -> None:
    before = repetitions()
    assert presence.ask(repetitions, None) == presence.REPEATS != before
    assert repetitions() == before


def test_settings_are_copied_once() -> None:
    presence.ask(repetitions, None)
    copied = presence._copies[presence.REPEATS]
    presence.ask(repetitions, None)
    assert presence._copies[presence.REPEATS] is copied


def test_settings_that_changed_meanwhile_are_those_that_hold() -> None:
    presence.ask(repetitions, None)
    with temporary_settings({PREFECT_LOGGING_LEVEL: "ERROR"}):
        asked = presence.ask(lambda: (PREFECT_LOGGING_LEVEL.value(), repetitions()), None)
        assert asked == ("ERROR", presence.REPEATS)
    assert presence.ask(PREFECT_LOGGING_LEVEL.value, None) != "ERROR"


def test_a_server_that_is_away_is_asked_no_second_time(monkeypatch) -> None:
    def away() -> int:
        raise httpx.ConnectError("nobody listens")

    # The rest of this process would keep the setting.
    entered = []
    monkeypatch.setattr(
        presence.SettingsContext, "__enter__", lambda context: entered.append(context) or context
    )
    monkeypatch.setattr(presence.SettingsContext, "__exit__", lambda *_: None)
    assert presence.ask(away, -1) == -1
    assert [context.settings.client.max_retries for context in entered] == [presence.REPEATS, 0]
