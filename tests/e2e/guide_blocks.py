"""Code blocks of a guide, and terminals that run them as a reader would."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SHELLS = ("sh", "bash", "shell", "console", "")
"""First words of a fence that holds commands; one without a word counts as such."""
_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^([A-Z_]+)=('[^']*'|\S*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: `info` follows the fence, `reason` says why no test runs it."""

    info: str
    text: str
    reason: str
    section: str

    @property
    def is_shell(self) -> bool:
        return (self.info.split() or [""])[0] in SHELLS


def blocks(guide: str) -> list[Block]:
    """Every fenced block of a Markdown text, in order."""
    found, section, end = [], "", 0
    for m in _BLOCK.finditer(guide):
        section = (_HEADING.findall(guide[end : m.start()]) or [section])[-1]
        end = m.end()
        found.append(Block(m["info"].strip(), m["text"], m["reason"] or "", section))
    return found


def prose(guide: str) -> str:
    """The text without its fenced blocks."""
    return _BLOCK.sub("", guide)


def filled_in(text: str, values: dict[str, str]) -> str:
    """The block of assignments with other values; both must name the same variables."""
    names = [name for name, _ in _ASSIGNMENT.findall(text)]
    assert sorted(names) == sorted(values), "the guide's variables are not those of the test"
    return _ASSIGNMENT.sub(lambda m: f"{m[1]}='{values[m[1]]}'", text)


class BlockFailed(AssertionError):
    """A command of a block ended with an error, or the terminal was lost."""


class Terminal:
    """A bash that keeps its state between blocks, here or behind a command such as ssh."""

    def __init__(self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, "bash --noprofile --norc"] if command else ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            cwd=cwd, env=env,
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def run(self, text: str, typed: str = "", timeout: float = 600) -> str:
        """Run a block; `typed` is what a person would type. Returns what it printed.

        Raises BlockFailed at the first command that fails, where a person would stop too;
        the terminal ends with it.
        """
        script, keys = (base64.b64encode(t.encode()).decode() for t in (text, typed))
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(
            f"set -e\n. <(base64 -d <<< '{script}') < <(base64 -d <<< '{keys}') 2>&1\necho; echo @end\n"
        )
        self._process.stdin.flush()
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        lines: list[str] = []
        try:
            for shown in self._process.stdout:
                if shown == "@end\n":
                    return "".join(lines)
                lines.append(shown)
        finally:
            timer.cancel()
        self._errors.seek(0)
        raise BlockFailed(f"{text}\n{''.join(lines)[-4000:]}\n{self._errors.read()[-2000:]}")
