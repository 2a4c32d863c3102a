"""What a Dockerfile wants of its context, its arguments and other images.

Source: the Dockerfile reference of BuildKit. A word that cannot be known before the build (a
variable of a base image, a pattern) requires nothing.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise

from deployments.build.instructions import Instruction, instructions_of
from deployments.compose.references import Reference, interpolate, parse

_BY_PLATFORM = frozenset(
    f"{which}{what}" for which in ("BUILD", "TARGET") for what in ("PLATFORM", "OS", "ARCH", "VARIANT")
)  # fmt: skip


@dataclass
class _Scope:
    """Variables that can be used at a place of a Dockerfile."""

    values: dict[str, str] = field(default_factory=dict)

    def fill(self, word: str) -> str | None:
        """The word with its variables; None when one of them is not known here."""
        plain = word.strip("\"'")
        parts = [part for part in parse(plain) if isinstance(part, Reference)]
        if any(not self._knows(part) for part in parts) or re.search(r"\$\{\w+[#%/]", plain):
            return None
        return interpolate(plain, self.values)

    def _knows(self, part: Reference) -> bool:
        return bool(part.how) or part.name in self.values


def required(
    dockerfile: str, build: Mapping[str, str] | None = None, target: str | None = None
) -> list[str]:
    """Paths that a Dockerfile takes from its context and cannot do without.

    build: the build arguments. target: the stage that is built, empty for the last one; None where it is
    not known, for all stages. Patterns are optional: `COPY .python-versio[n] ./` is how a file may be absent.
    """
    paths: list[str] = []
    for instruction, scope in _built(dockerfile, build or {}, target):
        words = _context_words(instruction)
        filled = [path for word in words if (path := scope.fill(word)) is not None]
        paths += [_in_context(path) for path in filled if not _is_elsewhere(path)]
    return [path for path in dict.fromkeys(paths) if path]


def started(dockerfile: str) -> list[str]:
    """Modules of Python in what it copies that its last CMD names, such as `src.api.main`.

    Those after `-m`, and those with an object of theirs (`src.api.main:app`): any other word with a
    dot may be a file.
    """
    commands = [i.rest for i in instructions_of(dockerfile) if i.word == "CMD"]
    words = (_array(commands[-1]) if commands else None) or []
    named = [w for before, w in pairwise(["", *words]) if before == "-m" or ":" in w]
    matches = [re.fullmatch(r"(\w+)((?:\.\w+)+)(?::\w+)?", word) for word in named]
    copied = set(required(dockerfile))
    return [f"{match[1]}{match[2]}" for match in matches if match and match[1] in copied]


def command_of(dockerfile: str, target: str = "") -> list[str] | None:
    """The words of its CMD: of the last stage or the one named target, or of that which it begins with."""
    commands: dict[str, list[str] | None] = {}
    stage = ""
    for instruction in instructions_of(dockerfile):
        if instruction.word == "FROM":
            words, stage = _words(instruction), _stage_name(instruction)
            commands[stage] = commands.get(words[0].lower()) if words else None
        elif instruction.word == "CMD":
            listed = _array(instruction.rest)
            shell = ["/bin/sh", "-c", instruction.rest]
            commands[stage] = shell if listed is None else listed
    return commands.get(target.lower() or stage)


def arguments(dockerfile: str) -> set[str]:
    """Names of the build arguments that a Dockerfile declares."""
    return {
        name for i in instructions_of(dockerfile) if i.word == "ARG" for name, _ in _pairs(i.rest)
    }


def base_images(dockerfile: str) -> dict[str, str]:
    """Build argument to its default, for every `FROM ${ARGUMENT}`."""
    used: set[str] = set()
    defaults: dict[str, str] = {}
    for instruction in instructions_of(dockerfile):
        words = _words(instruction)
        if instruction.word == "FROM" and (match := re.fullmatch(r"\$\{?(\w+)\}?", words[0])):
            used.add(match[1])
        elif instruction.word == "ARG":
            pairs = _pairs(instruction.rest)
            defaults |= {name: text.strip("\"'") for name, text in pairs if text is not None}
    return {name: defaults.get(name, "") for name in sorted(used)}


def images(
    dockerfile: str, build: Mapping[str, str] | None = None, target: str | None = None
) -> list[str]:
    """Images of others that it begins with or copies from; not its own stages, nor `scratch`. As `required`."""
    bases, stages = [], {"scratch"}
    for instruction, scope in _built(dockerfile, build or {}, target):
        taken = _taken(instruction, scope)
        bases += [i for i in taken if i.lower() not in stages and not i.isdigit()]
        if instruction.word == "FROM":
            stages |= {_stage_name(instruction)}
    return list(dict.fromkeys(bases))


def _taken(instruction: Instruction, scope: _Scope) -> list[str]:
    """Stages and images that an instruction begins with or copies from, as far as they are known."""
    options, _ = _options(instruction.rest)
    words: list[str] = []
    if instruction.word == "FROM":
        words = _words(instruction)[:1]
    elif instruction.word in ("COPY", "ADD"):
        words = [o.removeprefix("--from=") for o in options if o.startswith("--from=")]
    elif instruction.word == "RUN":
        mounts = [option for option in options if option.startswith("--mount=")]
        words = [image for mount in mounts for image in re.findall(r"[=,]from=([^,]+)", mount)]
    return [taken for word in words if (taken := scope.fill(word))]


def _words(instruction: Instruction) -> list[str]:
    """The words of an instruction without its options."""
    return [word for word in instruction.rest.split() if not word.startswith("--")]


def _stage_name(instruction: Instruction) -> str:
    """Of the stage that a FROM begins, in lower case; empty where it has none."""
    names = _words(instruction)
    return names[2].lower() if len(names) > 2 else ""


def _built(
    dockerfile: str, build: Mapping[str, str], target: str | None
) -> Iterator[tuple[Instruction, _Scope]]:
    """The instructions of the stages that a build of the target runs: BuildKit leaves out all others."""
    walked = list(_walked(dockerfile, build))
    starts = [n for n, (instruction, _) in enumerate(walked) if instruction.word == "FROM"]
    stages = [walked[a:b] for a, b in pairwise([*starts, len(walked)])]
    wanted = range(len(stages)) if target is None else _reached(stages, target.lower())
    return chain.from_iterable(stages[n] for n in wanted)


def _reached(stages: list[list[tuple[Instruction, _Scope]]], target: str) -> list[int]:
    """Numbers of the stages that one needs, itself included; all where there is none of that name."""
    names = [_stage_name(stage[0][0]) for stage in stages]
    last = len(stages) - 1
    numbers = {str(n): n for n in range(len(stages))} | {
        name: n for n, name in enumerate(names) if name
    }
    if (target or str(last)) not in numbers:
        return list(range(len(stages)))
    reached, todo = set(), [numbers[target or str(last)]]
    while todo:
        reached.add(number := todo.pop())
        taken = {t.lower() for each in stages[number] for t in _taken(*each)}
        # A stage knows those before it alone: a later one of the same name is no stage of its.
        todo += [
            numbers[t] for t in taken if numbers.get(t, last) < number and numbers[t] not in reached
        ]
    return sorted(reached)


def _walked(dockerfile: str, build: Mapping[str, str]) -> Iterator[tuple[Instruction, _Scope]]:
    """Each instruction, with the variables that it can use."""
    outside, scope = _Scope(), None
    stages: dict[str, _Scope] = {}
    for instruction in instructions_of(dockerfile):
        if instruction.word == "FROM":
            yield instruction, outside
            words = _words(instruction)
            before = stages.get(words[0].lower(), _Scope()) if words else _Scope()
            scope = _Scope(dict(before.values))
            if name := _stage_name(instruction):
                stages[name] = scope
            continue
        here = scope or outside
        yield instruction, here
        if instruction.word == "ARG":
            for name, default in _pairs(instruction.rest):
                value = build.get(name, here.fill(default) if default is not None else None)
                value = outside.values.get(name) if value is None else value
                if name not in _BY_PLATFORM:
                    here.values[name] = value or ""
        elif instruction.word == "ENV":
            for name, text in _pairs(instruction.rest):
                filled = here.fill(text or "")
                if filled is None:
                    here.values.pop(name, None)
                else:
                    here.values[name] = filled


def _pairs(rest: str) -> list[tuple[str, str | None]]:
    """`A=1 B="two words" C`; of ENV also the old form `A one value`."""
    first = re.match(r"(\w+)\s+([^=]*)$", rest)
    if first:
        return [(first[1], first[2])]
    pairs = re.findall(
        r"(\w+)(?:(=)(\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:\\.|[^\s\\])*))?(?=\s|$)", rest
    )
    return [(name, value if sign else None) for name, sign, value in pairs]


def _context_words(instruction: Instruction) -> list[str]:
    """What an instruction names of the context, as it is written."""
    if instruction.word == "RUN":
        options, _ = _options(instruction.rest)
        mounts = [o.removeprefix("--mount=") for o in options if o.startswith("--mount=")]
        return [source for mount in mounts for source in _bound(mount)]
    if instruction.word not in ("COPY", "ADD"):
        return []
    options, rest = _options(instruction.rest)
    if any(option.startswith("--from=") for option in options):
        return []
    return (_array(rest) or rest.split())[:-1]


def _bound(mount: str) -> list[str]:
    """What a bind mount takes from the context; without `from` it is the context's."""
    parts = [part.partition("=") for part in mount.split(",")]
    options = {name: value for name, _, value in parts}
    if options.get("type", "bind") != "bind" or "from" in options:
        return []
    return [options[name] for name in ("source", "src") if name in options]


def _options(rest: str) -> tuple[list[str], str]:
    """The `--options` at the begin, and what follows."""
    match = re.match(r"((?:--\S+\s+)*)(.*)", rest, re.DOTALL)
    assert match
    return match[1].split(), match[2].strip()


def _array(rest: str) -> list[str] | None:
    """The words of the form `["a b", "c"]`; None for the other one."""
    if not rest.lstrip().startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return [str(word) for word in words]


def _is_elsewhere(path: str) -> bool:
    """A pattern, a file in the Dockerfile itself, an address."""
    return bool(re.search(r"[*?\[]|^<<|^[a-z]+://|^[\w.-]+@[\w.-]+:", path))


def _in_context(path: str) -> str:
    """Docker takes `/a`, `./a` and `../a` as `a` of the context; empty for all of it."""
    return posixpath.normpath(f"/{path}").lstrip("/")
