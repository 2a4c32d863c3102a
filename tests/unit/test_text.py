"""Text from elsewhere does nothing where people read it."""

from __future__ import annotations

import pytest

from deployments.text import Markdown, cell, chat, code, escaped, fenced, plain, subject


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"), ("\x1b[2J\x1b[Hgone", "gone"), ("\x9b31mred", "red"),
        ("\x1b]0;title\x07x", "x"), ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\x", "x"), ("\x1b]52;c;aWQ=", ""), ("\x1b(Bx", "x"), ("\x1bcx", "x"),
        ("a\x08b\x00c\x7f", "abc"), ("10%\r100%\r\nend", "10%\n100%\nend"), ("a\tb\nc", "a\tb\nc"),
        ("\u202egnp.exe", "gnp.exe"), ("\x1b", ""), ("привет, 你好 é 🙂", "привет, 你好 é 🙂"),
        ("::error::x", ": :error::x"), ("  ::stop-commands::x", "  : :stop-commands::x"),
        ("x\n::add-mask::a", "x\n: :add-mask::a"), ("##[group]x", "# #[group]x"),
        ("2001:db8::1", "2001:db8::1"), ("::1", "::1"),
    ],
)  # fmt: skip
def test_plain(text, shown):
    assert plain(text) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"), ("![x](https://evil.example)", r"!\[x\](https://evil.example)"),
        ("<img src=x>", r"\<img src=x>"), ("`code`", r"\`code\`"), ("**bold**", r"\*\*bold\*\*"),
        ("a\\|b", r"a\\\|b"), ("a\n\n# head", "a # head"), ("image a -> b, JWT_KEY", "image a -> b, JWT_KEY"),
        ("\x1b[1mx", "x"),
    ],
)  # fmt: skip
def test_markdown_that_a_text_brings_is_shown_and_not_drawn(text, shown):
    assert escaped(text) == cell(text) == shown
    assert escaped(escaped(text)) == shown, "once is enough"


def test_a_span_of_code_cannot_be_left():
    assert code("a`b|c\nd") == "`a'b\\|c d`"
    assert isinstance(code("x"), Markdown)
    assert cell(code("x")) == "`x`"


@pytest.mark.parametrize("text", ["```\n# out", "x ``` y", "````"])
def test_a_block_cannot_be_left(text):
    lines = fenced(text, "text").splitlines()
    mark = lines[-1]
    assert lines[0] == f"{mark}text"
    assert set(mark) == {"`"}
    assert mark not in "\n".join(lines[1:-1])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> look", "< !channel> look"), ("@everyone", "@ everyone"), ("<@U123>", "< @U123>"),
        ("<https://evil.example|a release>", "< https://evil.example|a release>"),
        ("a <b@example.org>", "a <b@example.org>"), ("\x1b[31mx", "x"),
    ],
)  # fmt: skip
def test_a_notice_calls_nobody(text, shown):
    assert chat(text) == shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Fix the login\n\nBecause it broke", "Fix the login"), ("", ""), ("\n \n", ""),
        ("\x1b]0;owned\x07Fix\tit \x1b[2J now", "Fix it now"), ("\n  late", "late"),
        ("a\u202eb", "ab"), ("::stop-commands::x", ": :stop-commands::x"),
        ("x" * 100, "x" * 100), ("x" * 99 + " yy", "x" * 99 + "…"),
    ],
)  # fmt: skip
def test_a_subject_is_one_line_that_does_nothing(text, line):
    assert subject(text) == line
