"""schema: what an editor needs to complete an environment's file and x-deploy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from infra.cli import layout


class Document(StrEnum):
    """What has a schema."""

    environment = "environment"
    x_deploy = "x-deploy"


def schema(
    document: Annotated[
        Document, typer.Argument(help="NAME.toml, or x-deploy of a Compose file.")
    ] = Document.environment,
) -> None:
    """Print JSON Schema of an environment, or of x-deploy."""
    from infra.environment import json_schema

    of = {
        Document.environment: json_schema.environment_schema,
        Document.x_deploy: json_schema.x_deploy_schema,
    }
    layout.as_json(of[document]())
