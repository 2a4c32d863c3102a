"""What `--help` shows: commands in groups of what people do, and examples of each."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

NAMES = ["-h", "--help"]
PANELS: dict[str, tuple[str, ...]] = {
    "Release": ("release", "publish", "diff", "plan", "deploy", "rollback", "migrate", "maintenance"),
    "Look": (
        "status", "open", "status-page", "history", "metrics", "logs", "exec", "verify", "scan",
        "doctor", "audit",
    ),
    "Data": ("psql", "backup", "backups", "restore", "drill", "fetch"),
    "Set up": (
        "init", "bootstrap", "adopt", "rotate", "config", "schema", "setup", "control-plane", "demo", "actions",
    ),
}  # fmt: skip

EXAMPLES: dict[str, tuple[str, str]] = {
    "publish": ("publish --env production", "publish --source ../app --ref v1.4 --output v1.4.json"),
    "deploy": ("deploy --env production", "deploy current --env production --approve 'new model'"),
    "release": ("release --env production", "release --source ../app --allow-dirty --env staging"),
    "migrate": ("migrate --env production", "migrate newest --env staging --json"),
    "verify": ("verify --env production", "verify --env production --json"),
    "rollback": ("rollback --env production", "rollback 12-production-sha-4f2c91 --database restore"),
    "plan": ("plan --env production", "plan current --env production --update-infrastructure"),
    "diff": ("diff --env production", "diff 11-production-sha-4f2c91 current --env production"),
    "status": ("status --env production", "status --env production --watch"),
    "open": ("open frontend --env production", "open api --env staging"),
    "status-page": (
        "status-page --env production --output status.html", "status-page --env production > status.html",
    ),
    "adopt": ("adopt --env production --dry-run", "adopt --env production"),
    "init": ("init", "init ../shop --address 203.0.113.7 --compose compose.prod.yml --yes"),
    "bootstrap": (
        "bootstrap --env production --dry-run", "bootstrap --env production --as ubuntu --keep-open 9100",
    ),
    "rotate": (
        "rotate DATABASE_PASSWORD --env production", "rotate TELEGRAM_BOT_TOKEN --value-file - --env production",
    ),
    "scan": ("scan --env production", "scan current --env production --json"),
    "doctor": ("doctor --env production", "doctor --env production --json"),
    "schema": ("schema > environment.schema.json", "schema x-deploy > x-deploy.schema.json"),
    "backup": ("backup --env production", "backup --env production --json"),
    "backups": ("backups --env production", "backups --env production --copies"),
    "restore": ("restore --env production", "restore 20300131T120000Z --env production"),
    "drill": ("drill --env production", "drill newest --env production --json"),
    "fetch": ("fetch 20300131T120000Z --env production", "fetch 20300131T120000Z --identity age.key"),
    "history": ("history --env production", "history --env production --json"),
    "metrics": ("metrics --env production", "metrics --env production --days 365 --json"),
    "logs": ("logs --env production --since 10m", "logs api bot --follow --grep ERROR --env production"),
    "exec": ("exec api --env production -- env", "exec bot --env production -- python -m src.check"),
    "psql": ("psql --env production", "psql --env production -c 'SELECT count(*) FROM users'"),
    "config": ("config --env production", "config --env production --json"),
    "setup": ("setup", "setup --pools docker"),
}  # fmt: skip


def finished(app: typer.Typer) -> TyperGroup:
    """The whole command line, with groups and examples, and flags that show no type."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    # Each panel is shown where its first command is.
    order = {name: number for number, name in enumerate(panels)}
    for command in app.registered_commands:
        name = _name(command)
        command.rich_help_panel = panels[name]
        if name in EXAMPLES:
            command.epilog = "\n\n".join(f"homeguru {line}" for line in EXAMPLES[name])
    for group in app.registered_groups:
        group.rich_help_panel = panels[str(group.name)]
    app.registered_commands.sort(key=lambda c: order[_name(c)])
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    for parameter in _flags(found):
        parameter.metavar = ""
    return found


def _name(command: typer.models.CommandInfo) -> str:
    return command.name or str(getattr(command.callback, "__name__", ""))


def _flags(group: TyperGroup) -> Iterator[TyperOption]:
    for command in (group, *group.commands.values()):
        asks_help = command.get_help_option(typer.Context(command, help_option_names=NAMES))
        if isinstance(asks_help, TyperOption):
            yield asks_help
        yield from (p for p in command.params if isinstance(p, TyperOption) and p.is_flag)
        if isinstance(command, TyperGroup) and command is not group:
            yield from _flags(command)
