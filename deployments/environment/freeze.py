"""Freeze windows: times in which a release needs a person's approval."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = "|".join(WEEKDAYS)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_DATE = r"\d{4}-\d\d-\d\d"
_ZONE = r"(?: (?P<zone>[A-Za-z][A-Za-z0-9_+/-]*))?"
_WEEKLY = rf"^(?P<from_day>{_DAY}) (?P<from_time>{_CLOCK}) - (?P<to_day>{_DAY}) (?P<to_time>{_CLOCK}){_ZONE}$"
_DATED = rf"^(?P<begin>{_DATE} {_CLOCK}) - (?P<end>{_DATE} {_CLOCK}){_ZONE}$"
_FORM = (
    'a window reads "Fri 16:00 - Mon 08:00" or "2030-12-24 00:00 - 2031-01-02 08:00", '
    "with a time zone such as Europe/Moscow at the end where it is not UTC"
)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class FreezeWindow:
    """One window. Weekly: the first and last minute as offsets from Monday 00:00, else two dates.

    All of it is the zone's local time: a window that begins at 16:00 does so in summer, too.
    """

    text: str
    zone: ZoneInfo
    week: tuple[timedelta, timedelta] | None = None
    dates: tuple[datetime, datetime] | None = None

    def end_of(self, now: datetime) -> datetime | None:
        """When the window that `now` is in ends, in its own zone; None outside of it.

        now: with a zone, whichever. The window's end is not in it.
        """
        local = now.astimezone(self.zone).replace(tzinfo=None)
        for begin, end in self._around(local):
            if begin <= local < end:
                return end.replace(tzinfo=self.zone)
        return None

    def _around(self, local: datetime) -> list[tuple[datetime, datetime]]:
        if self.dates:
            return [self.dates]
        assert self.week is not None
        monday = datetime.combine(local.date(), datetime.min.time()) - timedelta(
            days=local.weekday()
        )
        begin, end = self.week
        # One that goes over a Sunday began in the week before.
        return [(monday + begin - back, monday + end - back) for back in (timedelta(0), WEEK)]


def freeze_window(text: str) -> FreezeWindow:
    """Read one window. Raises ValueError with what is wrong, in a sentence."""
    found = re.match(_WEEKLY, text) or re.match(_DATED, text)
    if not found:
        raise ValueError(f"{text!r} is no freeze window: {_FORM}")
    parts = found.groupdict()
    zone = _zone(parts["zone"] or "UTC")
    if "begin" in parts:
        begin, end = (_date(parts[name]) for name in ("begin", "end"))
        if end <= begin:
            raise ValueError(f"{text!r} ends before it begins")
        return FreezeWindow(text, zone, dates=(begin, end))
    first = _offset(parts["from_day"], parts["from_time"])
    last = _offset(parts["to_day"], parts["to_time"])
    if first == last:
        raise ValueError(f"{text!r} ends when it begins")
    return FreezeWindow(text, zone, week=(first, last if last > first else last + WEEK))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name}; Europe/Moscow is one") from None


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007 - local time of its zone
    except ValueError:
        raise ValueError(f"{text} is no date") from None


def _offset(day: str, clock: str) -> timedelta:
    hours, minutes = clock.split(":")
    return timedelta(days=WEEKDAYS.index(day), hours=int(hours), minutes=int(minutes))


def _checked(text: str) -> str:
    freeze_window(text)
    return text


Freeze = Annotated[str, AfterValidator(_checked)]
"""A window as an environment's file has it."""


def frozen(windows: tuple[Freeze, ...], now: datetime) -> str:
    """Why a release needs approval now, naming the window that lasts longest; empty: it does not."""
    found = [(end, w) for w in map(freeze_window, windows) if (end := w.end_of(now))]
    if not found:
        return ""
    end, window = max(found, key=lambda each: each[0].astimezone(UTC))
    return f'releases are frozen until {end:%a %Y-%m-%d %H:%M} {window.zone.key} ("{window.text}")'
