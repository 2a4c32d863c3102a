"""The page of the command line: every command, its arguments, options and examples."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from deployments.verbs import traits
from infra.cli.app import app
from infra.cli.help import EXAMPLES, NAMES, PANELS, finished
from infra.machine.paths import CHECKOUT
from infra.reference.markdown import code, table
from infra.reference.markdown import page as markdown_page

INTRODUCTION = """
`--help` after a command shows its part of this page. Each command ends with one of four
[exit codes](exit-codes.md), and reads these [environment variables](variables.md). `--env` may be left
out where there is a single environment. Which commands run as Prefect flows, and where:
[what a deploy does](../explanation/deploy.md#where-a-run-happens).
"""

PROGRAM = "homeguru"

AS_GIVEN = ("exec", "psql", "actions")
"""These run what they are given."""


@dataclass(frozen=True)
class CommandEntry:
    """One command by its words, such as `control-plane account add`."""

    words: str
    command: Any

    @property
    def context(self) -> typer.Context:
        """What usage and types are computed from; nothing is run."""
        return typer.Context(self.command, info_name=self.called, help_option_names=NAMES)

    @property
    def called(self) -> str:
        """How it is called at a terminal, without what follows."""
        return _called(self.words)

    @property
    def paragraphs(self) -> list[str]:
        """Its help; the first paragraph is what lists show."""
        return inspect.cleandoc(self.command.help or "").split("\n\n")

    @property
    def changes(self) -> str:
        """Whether it changes what runs on the server."""
        verb = self.words.partition(" ")[0]
        if verb in AS_GIVEN:
            return "as what it runs"
        does = traits(self.words)
        changes = does.changes_what_runs or does.publishes_and_deploys
        return "yes" if changes and not does.adopts else "no"


def page() -> str:
    """The whole page."""
    group = finished(app)
    parts = [INTRODUCTION, _global(group)]
    for panel, names in PANELS.items():
        entries = [entry for name in names for entry in _flat(name, group.commands[name])]
        rows = [(_link(e.words), e.paragraphs[0], e.changes) for e in entries]
        parts += [f"## {panel}", table(("command", "does", "changes what runs"), rows)]
        parts += [_one(entry) for entry in entries]
    return markdown_page("Commands", *parts)


def _flat(words: str, command: Any) -> Iterator[CommandEntry]:
    if not isinstance(command, TyperGroup):
        yield CommandEntry(words, command)
        return
    for name, inner in command.commands.items():
        yield from _flat(f"{words} {name}", inner)


def _link(words: str) -> str:
    called = _called(words)
    return f"[`{called}`](#{called.replace(' ', '-')})"


def _called(line: str) -> str:
    return f"{PROGRAM} {line}".strip()


def _global(group: TyperGroup) -> str:
    """Options of `homeguru` itself."""
    return table(("option", "meaning"), [row[::2] for row in _options(CommandEntry("", group))])


def _one(entry: CommandEntry) -> str:
    usage = " ".join([entry.called, *entry.command.collect_usage_pieces(entry.context)])
    examples = "\n".join(_called(line) for line in EXAMPLES.get(entry.words, ()))
    parts = [
        f"### `{entry.called}`", *entry.paragraphs, f"```text\n{usage}\n```",
        table(("argument", "default", "meaning"), _arguments(entry)),
        table(("option", "takes", "default", "meaning"), _options_in_full(entry)),
        f"For example:\n\n```text\n{examples}\n```" if examples else "",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _arguments(entry: CommandEntry) -> list[tuple[str, str, str]]:
    return [
        (code(p.metavar or p.name), _default(p), p.help or "")
        for p in entry.command.params
        if isinstance(p, TyperArgument) and not p.hidden
    ]


def _options(entry: CommandEntry) -> list[tuple[str, str, str]]:
    """Names, what they take, meaning."""
    return [
        (_names(p), _takes(entry, p), _meaning(p))
        for p in entry.command.params
        if isinstance(p, TyperOption) and not p.hidden
    ]


def _options_in_full(entry: CommandEntry) -> list[tuple[str, str, str, str]]:
    defaults = [
        _default(p) for p in entry.command.params if isinstance(p, TyperOption) and not p.hidden
    ]
    rows = zip(_options(entry), defaults, strict=True)
    return [(names, takes, default, meaning) for (names, takes, meaning), default in rows]


def _names(option: TyperOption) -> str:
    return ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))


def _takes(entry: CommandEntry, option: TyperOption) -> str:
    if option.is_flag:
        return ""
    kind = option.display_type(entry.context).strip("<>")
    return code(option.metavar or "") or {"str": "text", "int": "number"}.get(kind, code(kind))


def _meaning(option: TyperOption) -> str:
    variable = f" Variable: `{option.envvar}`." if option.envvar else ""
    needed = " Required." if option.required else ""
    return f"{option.help or ''}{variable}{needed}"


def _default(parameter: TyperOption | TyperArgument) -> str:
    """As a person would write it; a path inside the checkout from there on."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    if isinstance(value, Enum):
        return code(str(value.value))
    if isinstance(value, Path):
        inside = value.is_relative_to(CHECKOUT)
        return code(str(value.relative_to(CHECKOUT) if inside else value))
    if isinstance(value, bool):
        return code(parameter.opts[0]) if value else ""
    return code(shlex.quote(str(value))) if isinstance(value, str | int) and value != "" else ""
