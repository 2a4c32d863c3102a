"""The site of the documents: what is staged for its generator, and that no page is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from infra.reference.site import REPOSITORY, stage, with_deep_items, with_outer_links, with_titles

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(str(file.relative_to(ROOT / "doc")) for file in (ROOT / "doc").rglob("*.md"))


def test_every_page_is_in_the_navigation_once() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    named = re.findall(r"'([^']+\.md)'", str(nav))
    assert sorted(named) == PAGES


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("demo.md", "demo.md"),
        ("../compose.md#ports", "../compose.md#ports"),
        ("../images/run.png", "../images/run.png"),
        ("../../tests/second", f"{REPOSITORY}/tree/main/tests/second"),
        ("../../docker/env.production", f"{REPOSITORY}/blob/main/docker/env.production"),
        ("../examples/build.yml", f"{REPOSITORY}/blob/main/doc/examples/build.yml"),
        ("https://docs.prefect.io", "https://docs.prefect.io"),
        ("#https", "#https"),
    ],
)  # fmt: skip
def test_a_link_out_of_the_documents_leads_to_github(link: str, becomes: str) -> None:
    text = with_outer_links(f"See [it]({link}).", ROOT / "doc" / "guides" / "install.md")
    assert text == f"See [it]({becomes})."


def test_what_belongs_to_an_item_is_indented_by_four() -> None:
    text = (
        "1. One\n\n   ```sh\n   run\n   ```\n\n- two\n  lines\n\nEnd\n\n```text\n1. a\n   b\n```\n"
    )
    assert with_deep_items(text) == (
        "1. One\n\n    ```sh\n    run\n    ```\n\n- two\n    lines\n\nEnd\n\n```text\n1. a\n   b\n```\n"
    )


def test_an_item_after_paragraphs_begins_after_a_blank_line() -> None:
    text = "1. One\n\n   more\n2. Two\n3. Three\n"
    assert with_deep_items(text) == "1. One\n\n    more\n\n2. Two\n3. Three\n"


def test_the_machine_of_a_block_is_its_title() -> None:
    assert with_titles("```sh laptop\nls a b\n```\n") == '```sh title="laptop"\nls a b\n```\n'


def test_the_documents_are_staged_whole(tmp_path: Path) -> None:
    (tmp_path / "site" / "old.md").parent.mkdir()
    (tmp_path / "site" / "old.md").write_text("gone")
    stage(tmp_path / "site")
    staged = sorted(
        str(f.relative_to(tmp_path / "site")) for f in (tmp_path / "site").rglob("*.md")
    )
    assert staged == PAGES
