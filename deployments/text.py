"""Text from elsewhere, made harmless for the place where people read it.

What a container prints, a commit's author or a person's reason may hold escape sequences that
repaint a terminal, commands of GitHub's runner, or Markdown that draws a link or a table of its
own. `plain` is for every place; `cell`, `code` and `fenced` are for Markdown, `chat` for notices.
"""

from __future__ import annotations

import re

#: ESC with its parameters: colours and cursor (CSI), titles and links (OSC and its like), charsets.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
#: Other controls, and what turns the direction of writing or is not seen.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
#: GitHub's runner obeys lines that begin so.
_COMMANDS = re.compile(r"^(\s*):(?=:[A-Za-z])|##(?=\[)", re.MULTILINE)


class Markdown(str):
    """Text that is Markdown on purpose: made here, of parts that were escaped."""

    __slots__ = ()


def plain(text: str) -> str:
    """The text without escape sequences and controls; lines and tabs stay.

    Of a line that overwrites itself, as progress bars do, each state becomes a line.
    """
    text = _CONTROLS.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n"))
    return _COMMANDS.sub(lambda match: f"{match[1]}: " if match[1] is not None else "# #", text)


SUBJECT = 100
"""Characters of a commit's subject that are kept."""


def subject(text: str) -> str:
    """The first line of a commit's message, for one line of a table."""
    lines = (" ".join(line.split()) for line in plain(text).splitlines())
    first = next(filter(None, lines), "")
    return first if len(first) <= SUBJECT else first[: SUBJECT - 1].rstrip() + "…"


def escaped(text: str) -> Markdown:
    """One line of Markdown that shows the text and does nothing."""
    if isinstance(text, Markdown):
        return text
    line = re.sub(r"\s*\n\s*", " ", plain(text).strip("\n"))
    return Markdown(re.sub(r"([\\`*\[\]<|])", r"\\\1", line))


def cell(text: str) -> str:
    """A cell of a Markdown table, or an item of a list."""
    return escaped(text)


def code(text: str) -> Markdown:
    """A span of code; a backtick in it would end it, a bar would end its cell."""
    line = re.sub(r"\s+", " ", plain(text)).replace("`", "'").replace("|", "\\|")
    return Markdown(f"`{line}`")


def fenced(text: str, kind: str = "") -> str:
    """A block that no line of the text can end."""
    text = plain(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{kind}\n{text}\n{mark}"


def chat(text: str) -> str:
    """For notices: nobody is called by what a container prints, and no link hides its address."""
    text = re.sub(r"<(?=[!@#]|[a-z]+://)", "< ", plain(text))
    return re.sub(r"@(?=(everyone|here|channel|all)\b)", "@ ", text)
