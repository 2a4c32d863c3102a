"""Freeze windows: read, refused where they mean nothing, and what time is in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deployments.environment.freeze import freeze_window, frozen
from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse

WEEKEND = "Fri 16:00 - Mon 08:00"
MOSCOW = f"{WEEKEND} Europe/Moscow"
HOLIDAYS = "2030-12-24 00:00 - 2031-01-02 08:00 Europe/Moscow"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (WEEKEND, "2030-02-01 15:59", False),  # a Friday
        (WEEKEND, "2030-02-01 16:00", True),
        (WEEKEND, "2030-02-03 23:59", True),
        (WEEKEND, "2030-02-04 07:59", True),
        (WEEKEND, "2030-02-04 08:00", False),
        ("Tue 09:00 - Tue 10:00", "2030-02-05 09:30", True),
        ("Tue 09:00 - Tue 10:00", "2030-02-05 10:00", False),
        ("Tue 10:00 - Tue 09:00", "2030-02-05 09:30", False),
        ("Tue 10:00 - Tue 09:00", "2030-02-08 09:30", True),
        # Moscow is three hours ahead of UTC.
        (MOSCOW, "2030-02-01 13:00", True),
        (MOSCOW, "2030-02-01 12:59", False),
        (MOSCOW, "2030-02-04 05:00", False),
        (HOLIDAYS, "2030-12-23 20:59", False),
        (HOLIDAYS, "2030-12-23 21:00", True),
        (HOLIDAYS, "2031-01-02 05:00", False),
        # Berlin's summer time: 16:00 there is 14:00 UTC, and 15:00 UTC in winter.
        ("Fri 16:00 - Sat 00:00 Europe/Berlin", "2030-07-05 14:00", True),
        ("Fri 16:00 - Sat 00:00 Europe/Berlin", "2030-02-01 14:00", False),
    ],
)
def test_what_is_in_a_window(window: str, moment: str, inside: bool) -> None:
    assert bool(freeze_window(window).end_of(at(moment))) is inside


def test_the_window_that_lasts_longest_is_named() -> None:
    why = frozen((WEEKEND, "Sat 00:00 - Tue 06:00"), at("2030-02-02 12:00"))
    assert why == 'releases are frozen until Tue 2030-02-05 06:00 UTC ("Sat 00:00 - Tue 06:00")'
    assert frozen((WEEKEND,), at("2030-02-06 12:00")) == ""
    assert frozen((), at("2030-02-02 12:00")) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Friday 16:00 - Mon 08:00", "is no freeze window"),
        ("Fri 24:00 - Mon 08:00", "is no freeze window"),
        ("Fri 16:00 - Fri 16:00", "ends when it begins"),
        ("Fri 16:00 - Mon 08:00 Europe/Moskow", "no time zone is called Europe/Moskow"),
        ("Fri 16:00 - Mon 08:00 ../../etc/passwd", "is no freeze window"),
        ("Fri 16:00 - Mon 08:00 a/../../../etc/passwd", "is no freeze window"),
        ("2030-02-30 00:00 - 2030-03-01 00:00", "2030-02-30 00:00 is no date"),
        ("2030-03-02 00:00 - 2030-03-01 00:00", "ends before it begins"),
    ],
)
def test_what_means_nothing_is_refused_with_its_key(toml, text: str, says: str) -> None:
    with pytest.raises(WrongUse) as refused:
        parse_environment("production", toml(freeze=[text]), "x.toml")
    assert says in refused.value.what
    assert "`freeze.0`" in refused.value.what
