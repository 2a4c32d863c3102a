"""The two READMEs are in step, short, and what they and the documents name exists."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import typer
from rich.console import Console

from infra.cli import layout, show
from infra.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("README.md", "README.ru.md")
BY_HAND = [
    file for file in [*(ROOT / name for name in NAMES), *sorted((ROOT / "doc").rglob("*.md"))]
    if "reference" not in file.parts
]  # fmt: skip
"""Every document but those that are written from the code."""
_FENCE = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?<![\w./~$-])(?:flows|infra|deployments|docker|tests|doc|\.ci)/[\w./-]*\w")


@dataclass(frozen=True)
class Readme:
    """One README in parts; `prose` has no code blocks."""

    text: str

    @property
    def blocks(self) -> list[str]:
        return [match[2] for match in _FENCE.finditer(self.text)]

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def headings(self) -> list[str]:
        return re.findall(r"^(#+) .+$", self.prose, re.MULTILINE)

    @property
    def code(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.prose)

    @property
    def links(self) -> list[str]:
        """Without their anchors: the build of the site follows those."""
        return [link for link in re.findall(r"\]\(([^)#]*)", self.prose) if link]

    def section(self, number: int) -> str:
        """Prose of the n-th part that begins with `## `."""
        return re.split(r"^## ", self.prose, flags=re.MULTILINE)[number]


@pytest.fixture(params=NAMES)
def readme(request: pytest.FixtureRequest) -> Readme:
    return Readme((ROOT / request.param).read_text())


@pytest.fixture
def both() -> tuple[Readme, Readme]:
    english, russian = (Readme((ROOT / name).read_text()) for name in NAMES)
    return english, russian


@pytest.fixture(scope="module")
def commands() -> dict[str, click.Command]:
    """`deploy`, `demo up`, `control-plane account add`: every command of the CLI by its words."""
    return dict(_flat("", typer.main.get_command(app)))


def _flat(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield words, command
        return
    for name, each in inner.items():
        yield from _flat(f"{words} {name}".strip(), each)


def test_headings_match(both: tuple[Readme, Readme]) -> None:
    english, russian = both
    assert english.headings == russian.headings


def test_code_blocks_match(both: tuple[Readme, Readme]) -> None:
    english, russian = both
    assert english.blocks == russian.blocks
    assert len(english.blocks) > 0


def test_it_is_read_in_one_and_a_half_screens(readme: Readme) -> None:
    assert len(readme.text.splitlines()) <= 110


def test_code_in_the_text_matches(both: tuple[Readme, Readme]) -> None:
    english, russian = both
    for number in range(len(english.headings)):
        assert sorted(Readme(english.section(number)).code) == sorted(
            Readme(russian.section(number)).code
        )


def test_lists_tables_and_links_match(both: tuple[Readme, Readme]) -> None:
    english, russian = both
    for mark in (r"^\|", r"^- ", r"^\d+\. "):
        counts = [len(re.findall(mark, each.prose, re.MULTILINE)) for each in both]
        assert counts[0] == counts[1], mark
    # Each links to the other, and to the guides in its own language; all the rest is the same.
    assert english.links[1:] == [link.replace(".ru.md", ".md") for link in russian.links[1:]]
    assert (english.links[0], russian.links[0]) == ("README.ru.md", "README.md")


def test_every_path_exists(readme: Readme) -> None:
    links = {link for link in readme.links if "://" not in link}
    named = {*_PATH.findall(readme.text), *links, "prefect.yaml"}
    assert sorted(p for p in named if not (ROOT / p).exists()) == []
    assert len(named) > 8


@pytest.mark.parametrize("file", BY_HAND, ids=lambda f: f.name)
def test_every_make_target_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = Readme(file.read_text())
    code = "\n".join([*readme.blocks, *readme.code])
    assert set(re.findall(r"^make ([a-z-]+)$", code, re.MULTILINE)) <= targets


def _calls(readme: Readme) -> list[list[str]]:
    """Words after `homeguru` of every command line in code."""
    joined = [block.replace("\\\n", " ") for block in readme.blocks]
    lines = [line.strip() for block in joined for line in block.splitlines()]
    found = [re.match(r"homeguru (.+)$", line) for line in [*lines, *readme.code]]
    return [shlex.split(match[1]) for match in found if match]


@pytest.mark.parametrize("file", BY_HAND, ids=lambda f: f.name)
def test_every_verb_and_option_exists(file: Path, commands: dict[str, click.Command]) -> None:
    own = {option for p in typer.main.get_command(app).params for option in p.opts}
    for words in _calls(Readme(file.read_text())):
        if words[0].startswith("-"):
            assert set(words) <= own | {"--help", "-h"}, words
            continue
        names = (" ".join(words[:n]) for n in (3, 2, 1))
        verb = next((name for name in names if name in commands), "")
        if not verb and any(name.startswith(f"{words[0]} ") for name in commands):
            continue  # a group of commands is meant
        assert verb, words
        options = {option for parameter in commands[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--") and word != "--"} <= options, words


def test_the_documents_show_many_commands() -> None:
    assert len([c for file in BY_HAND for c in _calls(Readme(file.read_text()))]) > 100


@pytest.mark.parametrize("file", BY_HAND, ids=lambda f: f.name)
def test_a_command_is_called_by_its_name(file: Path) -> None:
    """Whoever installed the tool has no .venv."""
    assert ".venv/bin/homeguru" not in file.read_text()


@pytest.mark.parametrize("folder", ["flows", "deployments", "infra", "docker", "tests"])
def test_every_folder_has_a_short_readme(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    assert len(text.splitlines()) <= 15
    names = re.findall(r"`([\w./-]+\.(?:py|yml|hcl|cfg|toml)|[\w.]+/|env\.production)`", text)
    for name in set(names) - {"__init__.py"}:
        assert (ROOT / folder / name).exists() or (ROOT / name).exists(), name


@pytest.mark.parametrize("file", sorted((ROOT / "doc").rglob("*.md")), ids=lambda f: f.name)
def test_every_link_of_the_documents_exists(file: Path) -> None:
    links = [link for link in Readme(file.read_text()).links if "://" not in link]
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("file", sorted((ROOT / "doc").rglob("*.md")), ids=lambda f: f.name)
def test_every_document_is_in_the_list(file: Path) -> None:
    text = (ROOT / "doc/README.md").read_text()
    assert file.name == "README.md" or f"]({file.relative_to(ROOT / 'doc')})" in text


@pytest.mark.parametrize("file", sorted((ROOT / "doc/adr").glob("*.md")), ids=lambda f: f.name)
def test_decisions_are_short_and_of_one_form(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) < 40
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]
    assert f"](adr/{file.name})" in (ROOT / "doc/README.md").read_text()


def _masked(text: str) -> list[str]:
    """Lines without what is made up: digests and fingerprints."""
    lines = (line.strip() for line in text.splitlines())
    return [re.sub(r"\b[0-9a-f]{12}\b", "HEX", line) for line in lines if line]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["deploy.md", "deploy.ru.md"])
def test_the_plans_are_what_the_command_prints(name, world, monkeypatch, first) -> None:
    page = Readme((ROOT / "doc/explanation" / name).read_text())
    printed = io.StringIO()
    monkeypatch.setattr(layout, "console", Console(file=printed, width=120))
    target, seen = (
        (world.target(), world.bare) if first else (world.target(api="api-2"), world.settled())
    )
    show.plan(world.plan(target, seen))
    assert _masked(printed.getvalue()) in [_masked(block) for block in page.blocks]
