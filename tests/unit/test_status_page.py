"""The status page: what it says, that it is HTML whatever it is given, and that it can be read."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from deployments.health.verification import CheckResult
from deployments.history.deploys import DeployDay, Period
from deployments.history.metrics import DeliveryMetrics
from deployments.messages.deploy_strip import MIDDLE, strip
from deployments.messages.status_page import (
    LONGEST_AT_EDGE,
    StatusPage,
    edge_page,
    status_page,
)

PERIOD = Period(datetime(2030, 3, 31, 12, 30, tzinfo=UTC), 90)
HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; \x1b[31m\u202e]]>--><!--\ud800"
STATUS = {
    "environment": "production", "release": "12-production-sha-0123456789ab",
    "since": "2030-03-30T10:11:12Z", "by": "anna@laptop.lan, actions", "commit": "0123456789abcdef",
    "services": [], "urls": {"api": "https://api.example.org", "frontend": "https://example.org/"},
    "database_revision": "0007",
}  # fmt: skip
VOID = {"meta", "rect", "line", "path"}
"""Elements without an end: HTML's own, and those of SVG that are written closed."""


def days(*busy: DeployDay) -> tuple[DeployDay, ...]:
    known = {day.day: day for day in busy}
    return tuple(known.get(day, DeployDay(day)) for day in PERIOD.dates)


BUSY = days(
    DeployDay(date(2030, 3, 30), ok=2, undone=1),
    DeployDay(date(2030, 3, 31), failed=1),
)


def page(
    status=STATUS, services=(("api", True, "running, healthy"),), checks=(("ledger", True, "holds"),),
    deploys=BUSY, metrics=None,
) -> str:  # fmt: skip
    return status_page(StatusPage(
        status,
        tuple(CheckResult(name, "container", ok, detail) for name, ok, detail in services),
        tuple(CheckResult("server", name, ok, detail) for name, ok, detail in checks),
        deploys,
        metrics or DeliveryMetrics(PERIOD),
    ))  # fmt: skip


class Read(HTMLParser):
    """A page as a strict reader sees it: elements that end where they must, each attribute once."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def tags(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.elements)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


PAGES = {
    "busy": page(),
    "quiet": page(deploys=days()),
    "amiss": page(services=(("api", False, "exited"), ("bot", True, "running"))),
    "bare": page(
        {**STATUS, "release": None, "since": None, "by": None, "commit": None, "urls": {},
         "database_revision": None},
        services=(), checks=(("release", False, "nothing was deployed yet"),), deploys=days(),
    ),
}  # fmt: skip


def test_what_runs_since_when_and_by_whom() -> None:
    text = Read(page()).text
    for words in (
        "production", "All is well", "12-production-sha-0123456789ab", "2030-03-30 10:11 UTC",
        "0007", "api running, healthy", "ledger", "As of 2030-03-31 12:30 UTC",
        "https://api.example.org", "lead time none yet", "2 ok, 1 undone, 1 failed, on 2 of 90 days.",
    ):  # fmt: skip
        assert words in re.sub(r" ?✓", "", text), words
    assert "by anna, actions commit 0123456789ab" in text


def test_an_environment_without_anything_says_so() -> None:
    text = Read(PAGES["bare"]).text
    assert "release none since not known by not known commit none" in text
    assert "None in the last 90 days." in text
    assert "Services none" in text


def test_good_and_bad_differ_in_words_and_marks_not_by_colour_alone() -> None:
    html = PAGES["amiss"]
    read = Read(html)
    assert "1 thing to look at" in read.text
    assert "<title>production: 1 thing to look at</title>" in html
    assert "api ✗ not well: exited" in read.text
    assert "bot ✓ running" in read.text
    assert {"ok", "failed"} <= {a.get("class") for a in read.all("span")}
    assert "✗" not in Read(PAGES["busy"]).text


def test_no_value_becomes_markup() -> None:
    hostile = {
        **STATUS, "environment": HOSTILE, "release": HOSTILE, "by": HOSTILE, "commit": HOSTILE,
        "since": HOSTILE, "database_revision": HOSTILE, "urls": {HOSTILE: f"https://x/{HOSTILE}"},
    }  # fmt: skip
    results = ((HOSTILE, False, HOSTILE),)
    html = page(hostile, services=results, checks=results)
    read, plain = Read(html), Read(PAGES["amiss"])
    assert set(read.tags) <= set(plain.tags)
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert read.text.count("<script>alert(1)</script>") >= 8
    assert html.encode()  # a lone surrogate was replaced
    assert not {"\x1b", "\u202e"} & set(html)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://user:word@example.org/", "ssh://deploy@example.org"]
)
def test_an_address_that_nobody_should_follow_is_not_shown(url: str) -> None:
    html = page({**STATUS, "urls": {"api": url}})
    assert url not in html
    assert "api not shown" in Read(html).text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_html_for_everybody(name: str) -> None:
    html = PAGES[name]
    read = Read(html)
    assert html.startswith("<!doctype html>\n")
    assert read.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in read.all("meta")
    once = ("h1", "header", "main", "footer")
    assert [read.tags[tag] for tag in once] == [1, 1, 1, 1]
    # Each bar has a title of its own.
    assert read.tags["title"] == 1 + read.tags["g"]
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    named = [a["aria-labelledby"] for _, a in read.elements if "aria-labelledby" in a]
    assert set(named) <= set(ids)
    assert read.tags["section"] == read.tags["h2"] == 5
    assert all(a.get("scope") in ("col", "row") for a in read.all("th"))
    assert all(a.get("role") == "img" or a.get("aria-hidden") for a in read.all("svg"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_else_and_may_load_nothing(name: str) -> None:
    html = PAGES[name]
    read = Read(html)
    assert not {"script", "link", "img", "iframe", "form"} & set(read.tags)
    assert not any("style" in attributes or "src" in attributes for _, attributes in read.elements)
    assert "url(" not in html
    assert "@import" not in html
    [policy] = [a["content"] for a in read.all("meta") if a.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")


# -- the strip ------------------------------------------------------------------------


def at_edge(deploys, services: int = 6) -> str:
    return edge_page(StatusPage(
        STATUS,
        tuple(CheckResult(f"service{n}", "container", True, "running, healthy") for n in range(services)),
        (CheckResult("server", "ledger", True, "the chain of its lines holds"),),
        deploys, DeliveryMetrics(PERIOD),
    ))  # fmt: skip


EVERY_DAY = tuple(DeployDay(day, ok=12, undone=3, failed=2) for day in PERIOD.dates)


def test_the_edge_is_given_one_line_that_fits_into_its_buffer() -> None:
    text = at_edge(EVERY_DAY)
    assert len(text.encode()) <= LONGEST_AT_EDGE
    # With the command around it, in base64: HAProxy takes no longer one than its buffer.
    assert len(base64.b64encode(b"x" * LONGEST_AT_EDGE)) + 200 < 16_384
    assert not re.search(r"[\x00-\x1f]", text)
    assert text.count("<path ") == 3
    assert "Day by day" not in text
    assert "Renewed after each release" in text


def test_the_edges_page_is_html_that_may_apply_its_own_style() -> None:
    read = Read(at_edge(BUSY))
    (style,) = re.findall(r"<style>(.*?)</style>", at_edge(BUSY))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [m["content"] for m in read.all("meta") if "http-equiv" in m]
    assert f"style-src 'sha256-{digest}'" in str(policy)
    assert "12-production-sha-0123456789ab" in read.text


def test_of_many_services_the_image_goes_and_then_the_page_is_refused() -> None:
    assert "<svg" not in at_edge(EVERY_DAY, services=20)
    with pytest.raises(ValueError, match="11800 are the most"):
        at_edge(BUSY, services=200)


def bars(html: str) -> list[tuple[str, float, float]]:
    """Kind, upper edge and height."""
    found = re.findall(r'class="bar-(\w+)" x="\d+" y="([\d.]+)" [^>]* height="([\d.]+)"', html)
    return [(kind, float(y), float(height)) for kind, y, height in found]


def test_what_went_well_stands_and_what_did_not_hangs() -> None:
    drawn = bars(strip(BUSY))
    assert [kind for kind, _, _ in drawn] == ["ok", "undone", "failed"]
    for kind, y, height in drawn:
        assert (y + height == MIDDLE) if kind == "ok" else (y == MIDDLE)
    assert "<title>2030-03-30: 2 ok, 1 undone</title>" in strip(BUSY)


def test_the_strip_is_as_high_on_a_phone_as_on_a_desk() -> None:
    assert 'preserveAspectRatio="none"' in strip(BUSY)
    assert ".strip { display: block; width: 100%; height: 6rem; }" in PAGES["busy"]


def test_undone_is_hollow_and_failed_is_solid() -> None:
    css = PAGES["busy"]
    assert ".bar-undone { fill: var(--panel); stroke: var(--undone); }" in css
    assert ".bar-failed { fill: var(--failed); }" in css


def test_a_day_of_many_stays_inside_and_one_of_few_is_still_seen() -> None:
    crowd = days(
        DeployDay(date(2030, 3, 30), ok=1, failed=1), DeployDay(date(2030, 3, 31), ok=400, undone=300)
    )  # fmt: skip
    drawn = bars(strip(crowd))
    assert all(y >= 0 and y + height <= 2 * MIDDLE for _, y, height in drawn)
    assert min(height for _, _, height in drawn) >= 4


def test_the_table_has_every_day_with_a_run_newest_first() -> None:
    html = page()
    table = html[html.index("<details>") :]
    assert re.findall(r'<th scope="row"><time datetime="([\d-]+)">', table) == [
        "2030-03-31", "2030-03-30",
    ]  # fmt: skip


# -- contrast -------------------------------------------------------------------------

TEXT, GRAPHIC = 4.5, 3.0
"""WCAG 2.2, AA: success criteria 1.4.3 and 1.4.11."""
GROUNDS = ("page", "panel")


def schemes(html: str) -> dict[str, dict[str, str]]:
    """The colours of each scheme, read from the page."""
    css = html[html.index("<style>") : html.index("</style>")]
    blocks = re.findall(r":root \{(.*?)\}", css, re.S)
    found = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in blocks]
    assert "prefers-color-scheme: dark" in css
    assert set(found[0]) == set(found[1])
    return dict(zip(("light", "dark"), found, strict=True))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_the_ratio_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ff0000", "#ffffff") == pytest.approx(4.0, abs=0.01)


def uses(html: str) -> tuple[set[str], set[str]]:
    """Names of the colours of text, and of what is drawn, as the rules use them."""
    css = html[html.index("<style>") : html.index("</style>")]
    text = set(re.findall(r"[;{ ]color: var\(--(\w+)\)", css))
    drawn = set(re.findall(r"(?:fill|stroke): var\(--(\w+)\)", css)) - set(GROUNDS)
    return text, drawn


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_stand_out_on_every_ground(scheme: str) -> None:
    html = PAGES["busy"]
    colours = schemes(html)[scheme]
    text, drawn = uses(html)
    assert text == {"text", "muted", "link", "ok", "failed"}
    assert drawn == {"muted", "ok", "undone", "failed"}
    low = {
        (name, ground): round(ratio, 2)
        for names, least in ((text, TEXT), (drawn, GRAPHIC))
        for name in names
        for ground in GROUNDS
        if (ratio := contrast(colours[name], colours[ground])) < least
    }
    assert low == {}


def test_no_colour_stands_outside_the_two_schemes() -> None:
    html = PAGES["busy"]
    css = html[html.index("<style>") : html.index("</style>")]
    rules = re.sub(r":root \{.*?\}", "", css, flags=re.S)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", rules)
    used = set(re.findall(r"var\(--(\w+)\)", rules))
    assert used == set(schemes(html)["light"])
