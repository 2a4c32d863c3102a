"""Every page of the reference, by the name of its file."""

from __future__ import annotations

from infra.environment.json_schema import environment_schema, x_deploy_schema
from infra.reference import commands, flows, outcomes, variables
from infra.reference.keys import KeyPage

ENVIRONMENT = KeyPage(
    "Keys of an environment",
    "`NAME.toml` describes the environment `NAME`: where an application goes, and with which "
    "configuration. [production.toml](../../deployments/environments/production.toml) is an example "
    "with every key; `homeguru schema` prints the same as JSON Schema for an editor, and "
    "`homeguru config --env NAME` shows what a file comes to. An unknown key is refused.",
    "[{}]",
)
X_DEPLOY = KeyPage(
    "Keys of x-deploy",
    "The extension `x-deploy` of a Compose file says what Compose cannot: who owns the ports, who "
    "migrates, what is checked. [Another application](../guides/another-application.md) shows it at "
    "work; `homeguru schema x-deploy` prints the same as JSON Schema.",
    "{}",
)


def pages() -> dict[str, str]:
    """The pages as they should be now."""
    return {
        "cli.md": commands.page(),
        "environment.md": ENVIRONMENT.text(environment_schema()),
        "x-deploy.md": X_DEPLOY.text(x_deploy_schema()),
        "flows.md": flows.page(),
        "exit-codes.md": outcomes.exit_codes(),
        "events.md": outcomes.events(),
        "variables.md": variables.page(),
    }
