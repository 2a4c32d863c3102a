"""`python -m infra.reference.site FOLDER`: doc/ as the generator of the site needs it.

Links that lead out of doc/ go to GitHub, where the site has no page. What belongs to an item of a
list is indented by four columns: Python-Markdown, unlike GitHub, counts them. The second word of a
fence, the machine where its commands are run, becomes the block's title.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from infra.machine.paths import CHECKOUT

REPOSITORY = "https://github.com/systech/homeguru-deploy"
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
_MACHINE = re.compile(r"^( *```\w+) (\w+)$", re.MULTILINE)
_ITEM = re.compile(r"\d+\. |- ")


def stage(into: Path) -> None:
    """Copy the documents, after what was there before is removed."""
    doc = CHECKOUT / "doc"
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(doc, into)
    for copy in into.rglob("*.md"):
        text = with_outer_links(copy.read_text(), doc / copy.relative_to(into))
        copy.write_text(with_titles(with_deep_items(text)))


def with_outer_links(text: str, file: Path) -> str:
    """A document's text; what it names outside of doc/ is on GitHub."""

    def address(link: re.Match[str]) -> str:
        target = (file.parent / link[1]).resolve()
        inside = target.is_relative_to(CHECKOUT / "doc") and target.suffix in (".md", ".png")
        if inside or not target.is_relative_to(CHECKOUT):
            return link[1]
        kind = "tree" if target.is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{target.relative_to(CHECKOUT)}"

    return _LINK.sub(address, text)


def with_deep_items(text: str) -> str:
    """A document's text; lines below the first one of an item are indented by four columns.

    After an item of several paragraphs the next one begins after a blank line.
    """
    lines: list[str] = []
    width, fenced, paragraphs = 0, False, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        item = _ITEM.match(line)
        if item and not fenced:
            if width and paragraphs and lines[-1]:
                lines.append("")
            width, paragraphs = len(item[0]), False
        elif line and not line.startswith(" "):
            width = 0
        paragraphs |= not line
        deeper = width and line.startswith(" " * width)
        lines.append(f"{' ' * max(0, 4 - width)}{line}" if deeper else line)
    return "\n".join(lines) + "\n"


def with_titles(text: str) -> str:
    """A document's text; a fence of two words has a title."""
    return _MACHINE.sub(r'\1 title="\2"', text)


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
