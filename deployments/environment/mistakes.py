"""What is wrong with an environment's file, in sentences: the key, its line, and what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from deployments.fields import explanation

_BRANCHES = ("constrained-", "function-", "literal[")
"""Pydantic's names for the branches of a union, which the file does not have."""

Location = tuple[int | str, ...]


def mistakes(
    error: ValidationError, model: type[BaseModel], text: str
) -> list[tuple[str, int | None]]:
    """Each mistake, and the line of its key in the file's text; None where it is not known."""
    found = [
        (_path(e["loc"]), e["type"], explanation(e["type"], e["msg"], e.get("ctx", {})))
        for e in error.errors()
    ]
    # Of a key that may be empty or of a form, the form is what was meant.
    forms = {path for path, kind, _ in found if kind != "literal_error"}
    return [
        (_sentence(path, kind, message, model), line_of(text, path))
        for path, kind, message in found
        if not (kind == "literal_error" and path in forms)
    ]


def _path(location: Location) -> Location:
    return tuple(part for part in location if not str(part).startswith(_BRANCHES))


def _sentence(path: Location, kind: str, message: str, model: type[BaseModel]) -> str:
    key = ".".join(map(str, path))
    if kind == "extra_forbidden":
        return f"unknown key `{key}`{_meant(path, model)}"
    if kind == "missing":
        return f"missing key `{key}`"
    return f"`{key}`: {message[0].lower()}{message[1:]}" if key else message


def _meant(path: Location, model: type[BaseModel]) -> str:
    """The table that has this key, or the nearest name in this one; empty where neither is known."""
    word = str(path[-1])
    tables = dict(_tables(model))
    here = _table(path[:-1], model)
    elsewhere = [
        name for name, table in tables.items() if word in table.model_fields and table is not here
    ]
    if len(elsewhere) == 1:
        where = f"[{elsewhere[0]}]" if elsewhere[0] else "the top, before the first [table]"
        return f": it belongs to {where}"
    near = difflib.get_close_matches(
        word, here.model_fields if here else (), n=1, cutoff=0.6
    ) or difflib.get_close_matches(word, [name for name in tables if name], n=1, cutoff=0.6)
    return f": did you mean `{near[0]}`?" if near else ""


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The file's top under an empty name, and its tables."""
    yield "", model
    for name, field in model.model_fields.items():
        if table := _model_in(field.annotation):
            yield name, table


def _table(path: Location, model: type[BaseModel]) -> type[BaseModel] | None:
    """The table at a path; None where it has keys of a person's own."""
    here: type[BaseModel] | None = model
    for part in path:
        field = here.model_fields.get(str(part)) if here else None
        here = _model_in(field.annotation) if field else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if found := _model_in(inner):
            return found
    return None


_HEADER = re.compile(r"\s*\[+\s*([A-Za-z0-9_.\"' -]+?)\s*\]+\s*(#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+?)\s*=")


def line_of(text: str, path: Location) -> int | None:
    """The line of a key, else of the innermost table above it that the text names, from 1 on."""
    wanted = [str(part) for part in path]
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = _words(header[1])
            names = table
        elif key := _KEY.match(line):
            names = [*table, *_words(key[1])]
        else:
            continue
        if names == wanted[: len(names)] and (best is None or len(names) > best[0]):
            best = len(names), number
    return best[1] if best else None


def _words(text: str) -> list[str]:
    return [word.strip().strip("\"'") for word in text.split(".")]
