"""doc/glossary.ru.md: one concept, one word in every Russian document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.guide_blocks import prose

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "doc" / "glossary.ru.md"
DOCUMENTS = [ROOT / "README.ru.md", *sorted((ROOT / "doc").rglob("*.ru.md"))]


def rows() -> list[list[str]]:
    """Cells of the table: English, Russian, meaning, what is not written."""
    lines = GLOSSARY.read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    return cells[2:]


def refused() -> dict[str, str]:
    """What is not written, and the word that is."""
    return {
        word.strip(): right
        for _, right, _, wrong in rows()
        for word in wrong.split(",")
        if word.strip()
    }


def found(word: str, text: str) -> list[str]:
    """Where the word stands in the text, in any of its endings."""
    stems = [re.escape(re.sub(r"[аеийоуыьюя]$", "", part)) for part in word.split()]
    return re.findall(r"\b" + r"\w*\s+".join(stems) + r"\w*", text, re.IGNORECASE)


def plain(text: str) -> str:
    """Without code, comments and the addresses of links."""
    return re.sub(r"`[^`]*`|<!--.*?-->|\]\([^)]*\)", "", prose(text), flags=re.DOTALL)


def test_the_table_is_read() -> None:
    assert all(len(row) == 4 for row in rows())
    assert {"дайджест", "сервер управления", "релиз", "расхождение"} <= {row[1] for row in rows()}
    assert len(refused()) > 8


@pytest.mark.parametrize(
    ("word", "text"),
    [("дрейф", "нет дрейфа"), ("деплой", "после деплоя"), ("control plane", "на Control\nplane")],
)
def test_a_refused_word_is_found(word: str, text: str) -> None:
    assert word in refused()
    assert found(word, plain(text))
    assert not found(word, plain(f"`{text}`"))


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_a_document_uses_the_glossary(file: Path) -> None:
    if file == GLOSSARY:
        return
    text = plain(file.read_text())
    wrong = {place: right for word, right in refused().items() for place in found(word, text)}
    assert wrong == {}
