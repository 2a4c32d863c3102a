"""A strip of days as SVG: what went well stands above its line, what did not hangs below it.

Undone ones are hollow, failed ones solid, so that nobody needs colours to tell the three apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployments.history.deploys import DeployDay

STEP, BAR = 8, 6
"""Width of a day, and of its bar."""
MIDDLE = 48
"""Height above the line, and below it."""
TALLEST, SHORTEST = 12.0, 4.0
"""Height of one run; where a day has many they shrink, and the bar of a few is still seen."""

SHARP = 'vector-effect="non-scaling-stroke"'
"""Lines stay as thin as they are, however wide the screen."""


def strip(days: Sequence[DeployDay]) -> str:
    """An image of one bar a day, oldest first; its text is `strip_text`."""
    unit, width = _unit(days), STEP * len(days)
    bars = "".join(_bars(day, STEP * place + 1, unit) for place, day in enumerate(days))
    return _image(width, bars)


def brief_strip(days: Sequence[DeployDay]) -> str:
    """The same image in few bytes: one path a kind, without a text for each day."""
    unit, width = _unit(days), STEP * len(days)
    paths = {"ok": "", "undone": "", "failed": ""}
    for place, day in enumerate(days):
        up, hollow, solid = (_height(n, unit) for n in (day.ok, day.undone, day.failed))
        for kind, y, height in (
            ("ok", MIDDLE - up, up), ("undone", MIDDLE, hollow), ("failed", MIDDLE + hollow, solid),
        ):  # fmt: skip
            if height:
                paths[kind] += f"M{STEP * place + 1} {y:.4g}h{BAR}v{height:.4g}h-{BAR}z"
    bars = "".join(
        f'<path class="bar-{kind}" d="{path}" {SHARP}/>' for kind, path in paths.items() if path
    )
    return _image(width, bars)


def _unit(days: Sequence[DeployDay]) -> float:
    """Height of one run, where the day with most of them fits."""
    most = max((max(day.ok, day.undone + day.failed) for day in days), default=0)
    return min(TALLEST, (MIDDLE - 1) / most) if most else TALLEST


def _image(width: int, bars: str) -> str:
    return (
        f'<svg class="strip" viewBox="0 0 {width} {2 * MIDDLE}" preserveAspectRatio="none" '
        'role="img" aria-labelledby="strip-text">'
        f'<line class="axis" x1="0" x2="{width}" y1="{MIDDLE}" y2="{MIDDLE}" {SHARP}/>{bars}</svg>'
    )


def _bars(day: DeployDay, x: int, unit: float) -> str:
    if not day.total:
        return ""
    up, hollow, solid = (_height(n, unit) for n in (day.ok, day.undone, day.failed))
    bars = (
        _bar("ok", x, MIDDLE - up, up),
        _bar("undone", x, MIDDLE, hollow),
        _bar("failed", x, MIDDLE + hollow, solid),
    )
    return f"<g><title>{day.day}: {day}</title>{''.join(bars)}</g>"


def _height(count: int, unit: float) -> float:
    return max(SHORTEST, count * unit) if count else 0.0


def _bar(kind: str, x: int, y: float, height: float) -> str:
    if not height:
        return ""
    return f'<rect class="bar-{kind}" x="{x}" y="{y:g}" width="{BAR}" height="{height:g}" {SHARP}/>'


def legend() -> str:
    """What each kind of bar means, drawn as the strip draws it."""
    kinds = (("ok", "went well", 0), ("undone", "undone", 8), ("failed", "failed", 8))
    items = (
        '<li><svg class="mark" viewBox="0 0 16 16" aria-hidden="true">'
        '<line class="axis" x1="0" x2="16" y1="8" y2="8"/>'
        f'<rect class="bar-{kind}" x="4" y="{y}" width="8" height="8"/></svg> {text}</li>'
        for kind, text, y in kinds
    )
    return f'<ul class="legend">{"".join(items)}</ul>'
