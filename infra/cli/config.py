"""config: what an environment comes to, defaults included; secrets by their names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli import layout
from infra.cli.options import Env, Json

if TYPE_CHECKING:
    from infra.environment.locate import Located


def config(env: Env, json: Json = False) -> None:
    """Show what an environment's file comes to.

    Defaults included, and where each secret is found; never its value.
    """
    from infra.environment import locate

    located = locate.load(env)
    document = _document(located)
    if json:
        layout.as_json(document)
        return
    layout.pairs([(key, _shown(value)) for key, value in _flat(document)])


def _document(located: Located) -> dict[str, Any]:
    from infra.environment.secrets import origins

    settings = located.environment.model_dump(mode="json")
    secrets_file = located.environment.secrets.file
    return {
        "file": str(located.file), "Compose file": str(located.compose_file), **settings,
        "secrets": {
            "file": str(located.beside(secrets_file)) if secrets_file else "", **origins(located),
        },
    }  # fmt: skip


def _flat(document: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Values by their dotted keys; a table without any is left out."""
    rows: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{above}{key}.")
        else:
            rows.append((f"{above}{key}", value))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "-"
    return "-" if value in ("", None) else str(value)
