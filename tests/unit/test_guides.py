"""Tutorial, guides and explanation exist in two languages, and no command is unproven."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from deployments.compose.extension import EdgeService, Route
from deployments.environment.schema import parse_environment
from deployments.host.edge import IDLE, render
from tests.e2e.guide_blocks import blocks, prose

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "doc" / "guides"
FOLDERS = (FOLDER, ROOT / "doc" / "tutorial", ROOT / "doc" / "explanation")
GUIDES = sorted(
    file for folder in FOLDERS for file in folder.glob("*.md") if not file.name.endswith(".ru.md")
)
_PROVEN = re.compile(r"^<!-- blocks run by (tests/\S+\.py) -->$", re.MULTILINE)
_MACHINE = re.compile(r"(?<![\w.])/(?:work|tmp|root|home/(?!systech\b|app\b)\w+)\b")


@pytest.fixture(params=GUIDES, ids=lambda file: file.stem)
def guide(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def both(guide: Path) -> tuple[str, str]:
    """The guide's text in English and in Russian."""
    return guide.read_text(), guide.with_suffix(".ru.md").read_text()


def test_there_are_guides() -> None:
    assert FOLDER / "manual-deploy.md" in GUIDES
    twins = {file.with_suffix(".ru.md") for file in GUIDES}
    assert {file for folder in FOLDERS for file in folder.glob("*.ru.md")} == twins
    assert {file.parent for file in GUIDES} == set(FOLDERS)


def test_headings_match(both: tuple[str, str]) -> None:
    english, russian = (re.findall(r"^(#+) .", prose(text), re.MULTILINE) for text in both)
    assert english == russian
    assert len(english) > 1


def test_code_blocks_match(both: tuple[str, str]) -> None:
    english, russian = (blocks(text) for text in both)
    assert [(b.info, b.text) for b in english] == [(b.info, b.text) for b in russian]
    assert [bool(b.reason) for b in english] == [bool(b.reason) for b in russian]


def test_every_reason_was_read(both: tuple[str, str]) -> None:
    """One that is worded otherwise would leave its block to a reader who does not run it."""
    for text in both:
        assert text.count("<!-- not run") == sum(bool(b.reason) for b in blocks(text))


def test_every_fence_was_read(both: tuple[str, str]) -> None:
    for text in both:
        assert "```" not in prose(text)


def test_lists_tables_and_code_match(both: tuple[str, str]) -> None:
    english, russian = (prose(text) for text in both)
    for mark in (r"^\|", r"^- ", r"^\d+\. "):
        counts = [len(re.findall(mark, text, re.MULTILINE)) for text in (english, russian)]
        assert counts[0] == counts[1], mark
    codes = [sorted(re.findall(r"`([^`]+)`", text)) for text in (english, russian)]
    assert codes[0] == codes[1]


def test_every_shell_block_is_proven_or_says_why_not(guide: Path, both: tuple[str, str]) -> None:
    for text in both:
        proven = _PROVEN.search("\n".join(text.splitlines()[:5]))
        if proven:
            test = (ROOT / proven[1]).read_text()
            assert guide.name in test, f"{proven[1]} does not read {guide.name}"
        else:
            silent = [b.text for b in blocks(text) if b.is_shell and not b.reason]
            assert silent == []


def test_every_link_exists(guide: Path, both: tuple[str, str]) -> None:
    for text in both:
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose(text))
        local = [link for link in links if "://" not in link]
        assert [link for link in local if not (guide.parent / link).exists()] == []


def test_links_match_and_stay_in_their_language(guide: Path, both: tuple[str, str]) -> None:
    """But for the line that leads to the other language."""
    twin = guide.with_suffix(".ru.md").name
    english, russian = (re.findall(r"\]\(([^)\s]+)\)", prose(text)) for text in both)
    russian = [link for link in russian if link != guide.name]
    assert sorted(link for link in english if link != twin) == sorted(
        link.replace(".ru.md", ".md") for link in russian
    )
    targets = [guide.parent / link.partition("#")[0] for link in russian if "://" not in link]
    assert [t for t in targets if t.suffix == ".md" and t.with_suffix(".ru.md").exists()] == []


def test_nothing_of_one_machine_is_in_it(both: tuple[str, str]) -> None:
    for text in both:
        assert _MACHINE.findall(text) == []


def test_the_edge_by_hand_is_that_of_a_deploy() -> None:
    text = (FOLDER / "manual-deploy.md").read_text()
    (block,) = (b.text for b in blocks(text) if "backend be_api" in b.text)
    by_hand = block.partition("<<'EOF'\n")[2].partition("EOF\n")[0]
    routes = {
        "api": Route(listen=8003, port=8000, health="/health"),
        "frontend": Route(listen=3003, port=3000, health="/"),
    }
    edge = EdgeService(service="edge", config="edge/haproxy.cfg", routes=routes)
    whole = render("", edge, {"api": ("api", IDLE), "frontend": ("frontend", IDLE)})
    spare = re.compile(r"^    (?:#|http-error |(?:use-)?server (?:s2|former) ).*\n", re.MULTILINE)
    assert by_hand.strip() == spare.sub("", whole).strip()


def test_what_another_application_consists_of_is_what_the_tests_deploy() -> None:
    """Its fragments are lines of the application that test_second.py takes through everything."""
    second = ROOT / "tests" / "second" / "deploy"
    parts = {"yaml": (second / "compose.yml"), "hcl": (second / "docker-bake.hcl")}
    found = blocks((FOLDER / "another-application.md").read_text())
    shown = [b for b in found if b.info in parts]
    assert [b.info for b in shown] == ["yaml", "yaml", "hcl", "hcl"]
    for block in shown:
        assert block.text in parts[block.info].read_text()
    own, environment = [b.text for b in found if b.info == "toml"]
    assert own in (ROOT / "tests" / "e2e" / "test_own_dockerfile.py").read_text()
    whole = environment.replace(
        "AAAA...", "AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"
    )
    made = parse_environment("second", tomllib.loads(whole), "second.toml")
    assert set(made.urls) == {"web", "admin"}
