"""The instructions of a Dockerfile, each on one line.

Source: the Dockerfile reference of BuildKit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_SHELL_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*')+""")
_HEREDOC = re.compile(r"\d*<<-?([^<]+)")
"""A whole word of the shell's: `<<<` and a `<<` inside of one begin no text."""


class Instruction(NamedTuple):
    """word: in capitals. rest: what follows it, lines joined."""

    word: str
    rest: str


def instructions_of(dockerfile: str) -> list[Instruction]:
    """In order, without comments and without the texts that follow an instruction."""
    lines = iter(dockerfile.removeprefix("\ufeff").splitlines())
    escape = "`" if re.match(r"#\s*escape\s*=\s*`", dockerfile, re.IGNORECASE) else "\\"
    instructions = []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = _joined(line.strip(), lines, escape)
        word, _, rest = whole.partition(" ")
        for end in _heredocs(rest) if word.upper() in ("RUN", "COPY", "ADD") else ():
            _skip_to(lines, end)
        instructions.append(Instruction(word.upper(), rest.strip()))
    return instructions


def _heredocs(rest: str) -> list[str]:
    """What ends each text that follows an instruction."""
    words = map(_HEREDOC.fullmatch, _SHELL_WORD.findall(rest))
    return [match[1].strip("\"'") for match in words if match]


def _joined(first: str, lines: Iterator[str], escape: str) -> str:
    """A line with those that continue it; comments and empty lines in between do not count."""
    whole = first
    while whole.endswith(escape):
        more = next((x.strip() for x in lines if x.strip() and not x.lstrip().startswith("#")), "")
        whole = f"{whole.removesuffix(escape).rstrip()} {more}"
        if not more:
            break
    return re.sub(r"\s+", " ", whole)


def _skip_to(lines: Iterable[str], end: str) -> None:
    for line in lines:
        if line.strip("\t") == end:
            return
