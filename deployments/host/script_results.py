"""What a script reports to its deployer, apart from what programs print on the same stream.

A result is a line of its own that begins with the nonce of its script: an application, whose
output is on the same stream, does not know it. `shell.prelude` has the shell's side.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from deployments.database.backups import ID, Made
from deployments.errors import StepFailed
from deployments.history.revisions import parse_revisions

ResultKind = Literal["revision", "backup", "kept", "database"]
"""`revision`: of the database, now. `backup`: that was made. `kept`: the name under which a database
is kept that another one replaced. `database`: what an observation says of one."""


@dataclass(frozen=True)
class Result:
    """One result. words: what the script gave, each a text of any content."""

    kind: ResultKind
    words: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """The results of one script, by its nonce."""

    nonce: str

    def owns(self, line: str) -> bool:
        """Whether a line is a result, and so is for no person to read."""
        return line.startswith(f"@{self.nonce} ")

    def content(self, line: str) -> str:
        """What a line of its own says, for whoever follows the script while it works."""
        return line.removeprefix(f"@{self.nonce} ").rstrip()

    def split(self, stdout: str) -> tuple[str, tuple[Result, ...]]:
        """The output without the results, and the results."""
        talk: list[str] = []
        frames: list[str] = []
        for line in stdout.splitlines(keepends=True):
            (frames if self.owns(line) else talk).append(line)
        return "".join(talk), tuple(filter(None, map(self._read, frames)))

    def _read(self, line: str) -> Result | None:
        kind, *words = line.rstrip("\n").removeprefix(f"@{self.nonce} ").split(" ")
        if kind not in get_args(ResultKind):
            return None
        try:
            texts = [base64.b64decode(w.removeprefix("="), validate=True).decode() for w in words]
        except (binascii.Error, UnicodeDecodeError):
            raise _wrong(kind, line.strip()) from None
        return Result(cast("ResultKind", kind), tuple(texts))


def made_of(result: Result) -> Made:
    """The backup that a step made: its id and its size."""
    if len(result.words) == 2:
        name, size = result.words
        if re.fullmatch(ID, name) and re.fullmatch(r"\d{1,18}", size, re.A):
            return Made(name, int(size))
    raise _wrong(result.kind, *result.words)


def revision_of(result: Result) -> str | None:
    """The database's revision after a step, heads joined by commas; None for none."""
    if len(result.words) != 1:
        raise _wrong(result.kind, *result.words)
    return parse_revisions(result.words[0].split(","))


def database_of(result: Result, database: str) -> str:
    """The name under which the database is kept that an undo of `database` took out."""
    name = result.words[0] if len(result.words) == 1 else ""
    if not re.fullmatch(rf"{re.escape(database)}_undone_[\w-]{{1,12}}(_\d+)?", name, re.A):
        raise _wrong(result.kind, *result.words)
    return name


def _wrong(kind: str, *words: str) -> StepFailed:
    printed = ", ".join(repr(word[:60]) for word in words) or "nothing"
    return StepFailed(
        f"the step's result cannot be read: {printed} is no `{kind}`",
        todo="run the same command again; if it says so again, report it as a defect",
    )
