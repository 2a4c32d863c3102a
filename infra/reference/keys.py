"""Pages of the files that people write: each key, its type, default and meaning, by its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployments.fields import FORMS
from infra.reference.markdown import code, page, table

Schema = dict[str, Any]

_PLAIN = {"string": "text", "integer": "number", "boolean": "`true` or `false`", "null": ""}


@dataclass(frozen=True)
class KeyPage:
    """A page about one kind of file. heading: how a table in it is written, with `{}` for its path."""

    title: str
    introduction: str
    heading: str

    def text(self, schema: Schema) -> str:
        """The page."""
        tables = schema.get("$defs", {})
        parts = [self.introduction, _rows(schema, tables)]
        for name, paths in _places(schema, tables).items():
            table_schema = _table(tables[name])
            titles = ", ".join(code(self.heading.format(path)) for path in paths)
            parts += [f"## {titles}", table_schema.get("description", "")]
            parts += [_rows(table_schema, tables)]
        return page(self.title, *parts)


def _rows(schema: Schema, tables: dict[str, Schema]) -> str:
    required = set(schema.get("required", ()))
    return table(
        ("key", "type", "default", "meaning"),
        [
            (code(key), _type(of), _default(of, required=key in required), _meaning(of, tables))
            for key, of in schema["properties"].items()
        ],
    )


def _meaning(schema: Schema, tables: dict[str, Schema]) -> str:
    """What is said of the key, or else of the table that stands there."""
    names = list(_named(schema))
    said = schema.get("description") or (tables[names[0]].get("description") if names else "")
    form = FORMS.get(schema.get("pattern", ""), "")
    end = "" if form.endswith(".") else "."
    return f"{said or ''}{f' Form: {form}{end}' if form else ''}".strip()


def _type(schema: Schema) -> str:
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return " or ".join(code(json.dumps(value)) for value in schema["enum"])
    if "anyOf" in schema:
        kinds = dict.fromkeys(_type(one) for one in schema["anyOf"])
        return " or ".join(kind for kind in kinds if kind)
    if "$ref" in schema:
        return "table"
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {_plural(_type(schema.get('items', {})))}"
    if kind == "object":
        inner = _of_each_name(schema)
        return f"{_type(inner)} for each name" if inner else "table"
    return f"{_PLAIN[kind]}{_range(schema)}" if kind else "any"


def _plural(kind: str) -> str:
    return {"text": "texts", "number": "numbers", "table": "tables"}.get(kind, kind)


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None:
        return ""
    return f", {least} to {most}" if most is not None else f" from {least} on"


def _default(schema: Schema, *, required: bool) -> str:
    if required:
        return "required"
    value = schema.get("default")
    if value in (None, "", [], {}) or (isinstance(value, dict) and list(_named(schema))):
        return ""
    return code(json.dumps(value, ensure_ascii=False))


def _of_each_name(schema: Schema) -> Schema | None:
    """What stands under each name, where a person chooses the names."""
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        return inner
    return next(iter(schema.get("patternProperties", {}).values()), None)


def _table(schema: Schema) -> Schema:
    """The table itself, where a plain value may stand for it."""
    found = next((one for one in schema.get("anyOf", ()) if "properties" in one), schema)
    return {"description": schema.get("description", ""), **found}


def _named(schema: Schema) -> Iterator[str]:
    """Tables that a key's value is made of."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for one in (*schema.get("anyOf", ()), schema.get("items"), _of_each_name(schema)):
        if isinstance(one, dict):
            yield from _named(one)


def _places(schema: Schema, tables: dict[str, Schema], above: str = "") -> dict[str, list[str]]:
    """Each table, and the paths where it stands, in the order of the file."""
    found: dict[str, list[str]] = {}
    for key, of in schema["properties"].items():
        path = f"{above}{key}{'.NAME' if _of_each_name(of) else ''}"
        for name in dict.fromkeys(_named(of)):
            found.setdefault(name, []).append(path)
            for inner, paths in _places(_table(tables[name]), tables, f"{path}.").items():
                found.setdefault(inner, []).extend(paths)
    return found
