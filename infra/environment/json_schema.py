"""JSON Schema of the files that people write, so that an editor completes and explains them."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel

from deployments.compose.extension import Deploy
from deployments.environment.schema import Environment

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def environment_schema() -> dict[str, Any]:
    """Schema of `NAME.toml`; the file's own name is the environment's."""
    schema = _schema(Environment, "An environment of HomeGuru Deploy")
    schema["properties"].pop("name")
    schema["required"].remove("name")
    # It follows from push_registry.
    schema["required"].remove("pull_registry")
    # A path alone names the file.
    table = schema["$defs"]["OwnDockerfile"]
    schema["$defs"]["OwnDockerfile"] = {"anyOf": [{"type": "string"}, table]}
    return schema


def x_deploy_schema() -> dict[str, Any]:
    """Schema of `x-deploy` in a Compose file."""
    return _schema(Deploy, "x-deploy of a Compose file")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema()
    for name, described in {model.__name__: schema, **schema.get("$defs", {})}.items():
        known = next((m for m in _models(model) if m.__name__ == name), None)
        for key, text in (_docstrings(known) if known else {}).items():
            if key in described.get("properties", {}):
                described["properties"][key]["description"] = text
    return {"$schema": DRAFT, **schema, "title": title}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for field in model.model_fields.values():
        found += [m for inner in _inside(field.annotation) for m in _models(inner)]
    return found


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _inside(inner)]


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field: pydantic would read the source whenever the class is imported."""
    module = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    [body] = [
        n.body for n in module.body if isinstance(n, ast.ClassDef) and n.name == model.__name__
    ]
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }  # fmt: skip
