"""What a failed build printed, as BuildKit does with `--progress plain`: what a person needs of it.

Between rules stand the failing steps, each with its heading and its last lines; then the place in the
Dockerfile, all lines of a here-document, and the error with the whole command once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_RULE = "\n------\n"
_STEP = re.compile(r"^ *> (\[(?:([\w-]+) )?.*\].*):$")
_FRAME = re.compile(r"^-{20}$")
LINES = 30
"""Of a step's output."""
SOURCE = 6
"""Lines of a Dockerfile."""
WIDTH = 400
LONGEST = 3000
"""Characters in all, of what has no known form."""


def failed_targets(output: str, targets: Iterable[str]) -> list[str]:
    """Those whose step failed; all of them where no heading names one, as where one alone is built."""
    named = {found[2] for line in output.splitlines() if (found := _STEP.match(line))}
    return [target for target in targets if target in named] or list(targets)


def failing_lines(output: str) -> str:
    """The steps that failed with the end of what they printed, the place, the error."""
    _, rule, rest = output.partition(_RULE)
    if not rule:
        return _end(output)
    shown: list[str] = []
    for section in rest.split(_RULE):
        lines = section.splitlines()
        heading = _STEP.match(lines[0]) if lines else None
        if heading:
            shown += [lines[0].strip(), *_printed(output, heading[1], lines[1:])[-LINES:]]
        else:
            shown += _place(lines)
    return _end("\n".join(_narrow(line) for line in shown if line.strip()))


def _printed(output: str, heading: str, last: list[str]) -> list[str]:
    """All that a step printed; BuildKit repeats only the last lines of it."""
    step = next((f[1] for f in re.finditer(r"^(#\d+) (.*)$", output, re.M) if f[2] == heading), "")
    lines = re.findall(rf"^{step} (\d+\.\d+ .*)$", output, re.MULTILINE) if step else []
    return [line for line in lines if line.split(" ", 1)[1].strip()] or last


def _place(lines: list[str]) -> Iterator[str]:
    """The lines of a Dockerfile in their frame: its first ones, and how many follow."""
    inside = 0
    for line in lines:
        if _FRAME.match(line):
            if inside > SOURCE + 1:
                yield f"       ... {inside - SOURCE - 1} more lines"
            inside = 0 if inside else 1
        elif inside:
            inside += 1
            if inside > SOURCE + 1:
                continue
        yield line


def _narrow(line: str) -> str:
    """A line without its middle: a command stands there whole, with all lines of its script."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH // 2]} ... {line[-WIDTH // 2 :]}"


def _end(text: str) -> str:
    lines = (line for line in text.strip().splitlines() if line.strip())
    return "\n".join(lines)[-LONGEST:]
