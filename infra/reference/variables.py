"""The environment variables that the tool reads, what each means, and its default."""

from __future__ import annotations

from dataclasses import dataclass

from infra.reference.markdown import code, table
from infra.reference.markdown import page as markdown_page


@dataclass(frozen=True)
class ToolVariable:
    """Variables with one meaning. default: what holds without them, in Markdown."""

    names: tuple[str, ...]
    meaning: str
    default: str = "none"


TOOL: tuple[ToolVariable, ...] = (
    ToolVariable(
        ("HOMEGURU_ENVIRONMENTS",),
        "folders with `NAME.toml` files, separated by `:`",
        "`.homeguru` here or above",
    ),
    ToolVariable(
        ("HOMEGURU_SECRETS",), "the lines of a secrets file, as one value; they win over the file"
    ),
    ToolVariable(
        ("HOMEGURU_STATE",), "this machine's state: Prefect's history, the demo, names for completion",
        "`homeguru` in `XDG_STATE_HOME`; `.state` under `make`",
    ),
    ToolVariable(
        ("XDG_STATE_HOME",), "where state lies when `HOMEGURU_STATE` is not set", "`~/.local/state`"
    ),
    ToolVariable(
        ("XDG_CACHE_HOME",),
        "where the empty run history lies that a new one is copied from, in `homeguru`, for a version "
        "of Prefect that the package holds none for",
        "`~/.cache`",
    ),
    ToolVariable(
        ("HOMEGURU_HERE",),
        "`1`: run commands in this process even if a server is set; as `--here`",
        "a worker runs them",
    ),
    ToolVariable(
        ("HOMEGURU_GATEWAY_LOG",),
        "access log of the gateway before the Prefect server, as a flow sees it; it proves who made "
        "the request",
    ),
    ToolVariable(
        ("HOMEGURU_ARCHIVE",), "folder of the archive of Prefect's history", "`archive` in the state"
    ),
    ToolVariable(("USER",), "author of a release from a plain directory"),
    ToolVariable(("PATH",), "where `docker`, `git` and `ssh` are found", "the shell's"),
)  # fmt: skip

PREFECT: tuple[ToolVariable, ...] = (
    ToolVariable(
        ("PREFECT_API_URL",), "the Prefect server that commands run on and report to",
        "Prefect's embedded one",
    ),
    ToolVariable(("PREFECT_API_AUTH_STRING",), "`user:password` of an account there"),
    ToolVariable(
        ("SSL_CERT_FILE",),
        "CA of a Prefect server with a private one; stand-in base images of the demo trust it as well",
    ),
    ToolVariable(
        ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"),
        "another database for the run history of commands without a server; the second is its older name",
        "a file in the state folder",
    ),
    ToolVariable(
        ("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS",),
        "how long to wait for the embedded server", "`120`",
    ),
    ToolVariable(
        ("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "PREFECT_INTERNAL_LOGGING_LEVEL"),
        "Prefect's own lines on the terminal", "`CRITICAL`",
    ),
    ToolVariable(
        ("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE",), "whether the embedded server may be used", "`true`"
    ),
    ToolVariable(
        ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"), "Prefect's telemetry", "`false`, `1`"
    ),
    ToolVariable(
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY",),
        "seconds between two signs of life of a run; the automation that ends silent runs counts on it",
        "`30`",
    ),
    ToolVariable(
        ("PREFECT_API_KEY",),
        "this and other settings of Prefect are as Prefect defines them",
        "Prefect's own",
    ),
    ToolVariable(
        ("PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"),
        "set by the tool itself: no home and no profile of yours is used",
        "`prefect` in the state folder",
    ),
)  # fmt: skip

BUILDS: tuple[ToolVariable, ...] = (
    ToolVariable(
        ("DOCKER_HOST", "DOCKER_CONFIG"), "as Docker defines them, for builds and the demo",
        "Docker's own",
    ),
    ToolVariable(
        ("CACHE_FROM", "CACHE_TO"),
        "repository of the build cache, where the engine has the containerd image store",
    ),
    ToolVariable(
        ("PROVENANCE",),
        "`min` or `max` attests how an image was made, and changes its digest at every build",
    ),
    ToolVariable(
        ("SBOM",),
        "`true` attests what an image is made of, where the engine has the containerd image store",
    ),
    ToolVariable(("PYTHON",), "Python that `make` makes the virtual environment with", "`python3`"),
)  # fmt: skip

ACTIONS: tuple[ToolVariable, ...] = (
    ToolVariable(("HOMEGURU_ENVIRONMENT",), "environment that the form chose"),
    ToolVariable(
        ("HOMEGURU_RELEASE",), "release to deploy or to return to",
        "`newest`; `previous` for a rollback",
    ),
    ToolVariable(("HOMEGURU_DRY_RUN",), "`true`: only the plan", "`false`"),
    ToolVariable(
        ("HOMEGURU_DATABASE",), "of a rollback: `keep`, `downgrade` or `restore`", "`keep`"
    ),
    ToolVariable(("HOMEGURU_APPROVE",), "reason of an approval"),
    ToolVariable(("HOMEGURU_SOURCE",), "folder of the checkout that is built", "the workspace"),
    ToolVariable(
        ("SSH_HOST", "SSH_USER", "SSH_PORT", "SSH_KNOWN_HOSTS"),
        "override address, user, port and pinned keys of `[host]`", "`[host]`",
    ),
    ToolVariable(("SSH_KEY",), "the private key, the whole file", "`key_file` of `[host]`"),
    ToolVariable(
        ("PREFECT_CA",), "CA of the control plane, in PEM; `PREFECT_API_SSL_CERT_FILE` is set to it"
    ),
    ToolVariable(("PREFECT_API_SSL_CERT_FILE",), "set from `PREFECT_CA`"),
    ToolVariable(
        ("PREFECT_REPORTER_AUTH_STRING",),
        "`reporter:password`: a build of `actions release` is in the control plane's history",
    ),
    ToolVariable(
        ("GITHUB_ACTIONS", "GITHUB_ACTOR", "GITHUB_SHA"),
        "who the ledger names, and for which commit", "user and machine",
    ),
    ToolVariable(
        (
            "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_OWNER", "GITHUB_RUN_ID",
            "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "GITHUB_EVENT_NAME", "GITHUB_WORKSPACE", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP",
        ),
        "set by GitHub's runner",
    ),
    ToolVariable(("CONTROL_PROJECT",), "set by the control plane for its worker"),
)  # fmt: skip

SECRETS = """
Each name in `[secrets]` of an environment is a variable too: its value wins over `HOMEGURU_SECRETS`, that
over the secrets file, and that over Prefect's Secret block. The application's own variables are described in
[docker/env.production](../../docker/env.production).
"""


def page() -> str:
    """The page of environment variables."""
    return markdown_page(
        "Environment variables", SECRETS,
        "## Of every command", _rows(TOOL),
        "## Of Prefect", _rows(PREFECT),
        "## Of builds", _rows(BUILDS),
        "## Of workflows on GitHub",
        "Inputs of the workflows' steps; [doc/examples](../examples/README.md) says which workflow "
        "gives which.", _rows(ACTIONS),
    )  # fmt: skip


def names() -> set[str]:
    """Every variable of the page."""
    return {name for one in (*TOOL, *PREFECT, *BUILDS, *ACTIONS) for name in one.names}


def _rows(variables: tuple[ToolVariable, ...]) -> str:
    rows = [(", ".join(map(code, one.names)), one.meaning, one.default) for one in variables]
    return table(("variable", "meaning", "default"), rows)
