"""The status page: one environment as an HTML file that needs nothing else, not even a script.

What it shows may be read by anybody: names, states and times, and the public addresses. It shows
no text of a failure, which may quote anything, and nothing of how the server is reached.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from deployments.health.verification import CheckResult
from deployments.history.deploys import DeployDay, moment
from deployments.history.metrics import DeliveryMetrics, counted
from deployments.messages.deploy_strip import brief_strip, legend, strip
from deployments.text import plain

DORA = "https://dora.dev/guides/dora-metrics/"


@dataclass(frozen=True)
class StatusPage:
    """What the page shows. status: as `status --json` says it. days: oldest first."""

    status: dict[str, Any]
    services: tuple[CheckResult, ...]
    checks: tuple[CheckResult, ...]
    days: tuple[DeployDay, ...]
    metrics: DeliveryMetrics

    @property
    def amiss(self) -> int:
        """How many services and checks are not well."""
        return sum(not result.ok for result in (*self.services, *self.checks))


DAYS = 90
"""Days that it shows, a bar each."""
LONGEST_AT_EDGE = 11_800
"""Bytes that the edge can be given at once: in base64 they fit into its buffer of 16 KiB."""


def status_page(page: StatusPage) -> str:
    """The whole file."""
    style = f"\n{_css()}"
    return _written(page, style, "This page does not renew itself.", _deploys(page.days))


def edge_page(page: StatusPage) -> str:
    """The page as the edge takes it: one line, small, with the deploys of each day as an image alone.

    Raises ValueError for one that is too big even without the image.
    """
    for shown in (page.days, ()):
        style = " ".join(line.strip() for line in _css().splitlines())
        deploys = _deploys(page.days, shown=shown)
        text = _written(page, style, "Renewed after each release.", deploys)
        line = re.sub(r"\s+", " ", text).strip()
        if len(line.encode()) <= LONGEST_AT_EDGE:
            return line
    raise ValueError(f"{len(line.encode())} bytes, and {LONGEST_AT_EDGE} are the most")


def _written(page: StatusPage, style: str, renewed: str, deploys: str) -> str:
    name = text(page.status["environment"])
    verdict = f"{counted(page.amiss, 'thing')} to look at" if page.amiss else "all is well"
    at = page.metrics.period.until
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">
<title>{name}: {verdict}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{name}</h1>
<p class="verdict">{_marked(verdict.capitalize(), ok=not page.amiss)}</p>
<p class="muted">As of {_time(at)}. {renewed}</p>
</header>
<main>
{_section("release", "Release", _release(page.status))}
{_section("services", "Services", _results("Service", "State", page.services, "service"))}
{_section("checks", "Checks", _results("Check", "Result", page.checks, "check"))}
{_section("deploys", "Deploys and rollbacks", deploys)}
{_section("metrics", "Delivery metrics", _metrics(page.metrics))}
</main>
<footer><p>Made by HomeGuru Deploy from the server and its ledger.</p></footer>
</body>
</html>
"""


def text(value: object) -> str:
    """A value as text of HTML or of a quoted attribute: it shows, and does nothing."""
    shown = plain(str(value)).encode("utf-8", "replace").decode()
    return escape(shown, quote=True)


@cache
def _css() -> str:
    css = files(__package__).joinpath("status_page.css").read_text("utf-8")
    if "<" in css:
        raise ValueError("status_page.css would end its element")
    return css


def _policy(style: str) -> str:
    """What a browser may do with the page: apply its own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _section(name: str, heading: str, body: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n{body}\n</section>'


def _marked(words: str, *, ok: bool) -> str:
    """Escaped words with a mark; the mark says to the eye what the words say."""
    kind, mark = ("ok", "✓") if ok else ("failed", "✗")
    return f'<span class="{kind}"><span aria-hidden="true">{mark}</span> {words}</span>'


def _time(at: datetime) -> str:
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M} UTC</time>'


def _terms(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values; both are HTML already."""
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def _release(status: dict[str, Any]) -> str:
    since, revision = moment(status["since"] or ""), status["database_revision"]
    rows = [
        ("release", text(status["release"] or "none")),
        ("since", _time(since) if since else "not known"),
        ("by", text(_person(status["by"] or "not known"))),
        ("commit", text(str(status["commit"] or "none")[:12])),
        *([("database revision", text(revision))] if revision else []),
        *[(text(name), _link(url)) for name, url in sorted(status["urls"].items())],
    ]
    return _terms(rows)


def _person(by: str) -> str:
    """`anna@laptop, cli` without the machine, whose name or address is nobody's concern."""
    return re.sub(r"@[^,]*", "", by)


def _link(url: str) -> str:
    """An address as a link, unless it is one that no visitor should follow."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        return "not shown"
    return f'<a href="{text(url)}" rel="noreferrer">{text(url)}</a>'


def _results(of: str, how: str, results: Sequence[CheckResult], key: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{text(getattr(result, key))}</th>'
        f"<td>{_marked(_words(result), ok=result.ok)}</td></tr>\n"
        for result in results
    )
    return _table(of, how, rows) if rows else "<p>none</p>"


def _words(result: CheckResult) -> str:
    """In words too: a mark alone would leave out who cannot see it."""
    return text(result.detail if result.ok else f"not well: {result.detail}")


def _table(first: str, second: str, rows: str) -> str:
    head = f'<tr><th scope="col">{first}</th><th scope="col">{second}</th></tr>'
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table>"


def _deploys(days: Sequence[DeployDay], shown: Sequence[DeployDay] | None = None) -> str:
    """All days with a table; or an image of those that are shown, without one."""
    busy = [day for day in reversed(days) if day.total]
    if not busy:
        return f"<p>None in the last {len(days)} days.</p>"
    counts = DeployDay(days[-1].day, *(sum(getattr(d, how) for d in days) for how in _HOW))
    summary = f'<p id="strip-text">{text(counts)}, on {len(busy)} of {len(days)} days.</p>\n'
    if shown is not None and not shown:
        return summary
    rows = "".join(
        f'<tr><th scope="row">{_day(day)}</th><td>{text(day)}</td></tr>\n' for day in busy
    )
    table = f"<details><summary>Day by day</summary>\n{_table('Day', 'Ended', rows)}\n</details>"
    image, after = (strip(days), table) if shown is None else (brief_strip(shown), "")
    return (
        f"{summary}{image}\n"
        f'<p class="ends muted">{_day(days[0])} {_day(days[-1])}</p>\n{legend()}\n{after}'
    )


_HOW = ("ok", "undone", "failed")


def _day(day: DeployDay) -> str:
    return f'<time datetime="{day.day}">{day.day}</time>'


def _metrics(metrics: DeliveryMetrics) -> str:
    rows = [(text(name), text(value)) for name, value in metrics.rows()]
    source = f'As <a href="{DORA}" rel="noreferrer">DORA</a> defines them'
    return f'{_terms(rows)}\n<p class="muted">{source}, {text(metrics.period)}.</p>'
