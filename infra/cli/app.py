"""The verbs. Those that change something run a flow; the others ask the host directly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.database.choice import Choice
from deployments.errors import Interrupted, Refused
from infra.cli import show
from infra.cli.actions.commands import app as actions
from infra.cli.assembled import assembled
from infra.cli.audit import audit, history
from infra.cli.backups import backup, backups, drill, fetch, restore
from infra.cli.bootstrap import bootstrap
from infra.cli.config import config
from infra.cli.control_plane import control_plane
from infra.cli.delivery import metrics, status_page
from infra.cli.doctor import doctor
from infra.cli.help import NAMES
from infra.cli.init import init
from infra.cli.inside import execute, psql
from infra.cli.options import Approve, Env, Here, Json, check_output_file, services_named
from infra.cli.run import run
from infra.cli.schema import schema
from infra.cli.setup import setup
from infra.machine import signals
from infra.machine.paths import CHECKOUT, state_dir

if TYPE_CHECKING:
    from infra.demo.local import Demo

app = typer.Typer(
    name="homeguru", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": NAMES},
    help="Publish, deploy, migrate, verify and roll back a Compose application.",
)  # fmt: skip

DEMO_SOURCE = CHECKOUT / "tests" / "homeguru"

Release = Annotated[str, typer.Argument(help="Manifest's name, a file, newest, or current.")]
Source = Annotated[str, typer.Option("--source", help="The application: a folder, or a Git URL.")]
Ref = Annotated[str, typer.Option("--ref", help="Branch, tag or commit.")]
Dirty = Annotated[bool, typer.Option("--allow-dirty", help="Publish uncommitted changes too.")]
Output = Annotated[Path | None, typer.Option("--output", help="Write the manifest to a file.")]
Infra = Annotated[
    bool, typer.Option("--update-infrastructure", help="Database and edge follow the release too.")
]


@app.callback(invoke_without_command=True)
def homeguru(
    context: typer.Context,
    shown: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Publish, deploy, migrate, verify and roll back a Compose application."""
    if context.invoked_subcommand in ("demo", "control-plane", "setup", "actions"):
        signals.begin_work()
    if shown:
        from importlib.metadata import version

        typer.echo(f"homeguru {version('homeguru-deploy')}")
        raise typer.Exit


@app.command()
def publish(
    env: Env, source: Source = ".", ref: Ref = "HEAD", allow_dirty: Dirty = False,
    output: Output = None, json: Json = False, here: Here = False,
) -> None:  # fmt: skip
    """Build what changed and push it by digest."""
    check_output_file(output)
    result = run(
        "publish", env, _source(source, ref, allow_dirty=allow_dirty), quiet=json, here=here
    )
    if output:
        from deployments.release.manifest import Manifest

        output.write_text(Manifest.model_validate(result).to_json() + "\n")
    show.as_json(result) if json else show.manifest(result)


@app.command()
def deploy(
    env: Env, release: Release = "newest", update_infrastructure: Infra = False,
    json: Json = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Bring a server to a release, or leave it as it was."""
    result = run(
        "deploy", env, {"release": release, "update_infrastructure": update_infrastructure},
        quiet=json, here=here, approve=approve,
    )  # fmt: skip
    show.as_json(result) if json else show.deployed(result)


@app.command()
def release(
    env: Env, source: Source = ".", ref: Ref = "HEAD", allow_dirty: Dirty = False,
    json: Json = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Publish, then deploy what was published."""
    result = run(
        "release",
        env,
        _source(source, ref, allow_dirty=allow_dirty),
        quiet=json,
        here=here,
        approve=approve,
    )
    show.as_json(result) if json else show.deployed(result)


@app.command()
def migrate(
    env: Env, release: Release = "newest", json: Json = False, here: Here = False,
    approve: Approve = "",
) -> None:  # fmt: skip
    """Bring the database to a release's revision."""
    result = run("migrate", env, {"release": release}, quiet=json, here=here, approve=approve)
    show.as_json(result) if json else show.deployed(result)


@app.command()
def verify(env: Env, json: Json = False, here: Here = False) -> None:
    """Check the application from outside and inside."""
    result = run("verify", env, {}, quiet=json, here=here)
    show.as_json(result) if json else show.deployed(result)


@app.command()
def rollback(
    env: Env,
    to: Annotated[
        str, typer.Argument(help="previous, a release id, a manifest's name.")
    ] = "previous",
    database: Annotated[
        Choice, typer.Option("--database", help="What becomes of the database.")
    ] = Choice.keep,
    json: Json = False,
    here: Here = False,
    approve: Approve = "",
) -> None:
    """Bring an earlier release back; the database stays."""
    result = run(
        "rollback",
        env,
        {"to": to, "database": database.value},
        quiet=json,
        here=here,
        approve=approve,
    )
    show.as_json(result) if json else show.deployed(result)


@app.command()
def plan(
    env: Env, release: Release = "newest", update_infrastructure: Infra = False, json: Json = False
) -> None:
    """Show what deploy would do now; change nothing."""
    assembly = assembled(env)
    from infra.look import inspection

    show.read_from(assembly.located)
    planned = inspection.plan_of(
        assembly, release, show.errors.print, update_infrastructure=update_infrastructure
    )
    show.as_json(planned.to_dict()) if json else show.plan(planned)


@app.command()
def diff(
    env: Env, before: Release = "current", after: Release = "newest", json: Json = False
) -> None:
    """Show what differs between two releases."""
    assembly = assembled(env)
    from deployments.release.difference import difference
    from infra.look import inspection

    found = inspection.manifests_of(assembly, [before, after], show.errors.print)
    rows = difference(*found)
    show.as_json([{"what": w, "change": c} for w, c in rows]) if json else show.pairs(rows)


@app.command()
def status(env: Env, json: Json = False) -> None:
    """Show what runs now."""
    assembly = assembled(env)
    from infra.look import inspection

    document, notes = inspection.status_of(assembly, show.errors.print)
    show.as_json(document) if json else show.status(document, notes)


@app.command()
def adopt(
    env: Env,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was found only.")] = False,
    json: Json = False,
    here: Here = False,
) -> None:
    """Record what was deployed by hand as release 0."""
    if dry_run:
        assembly = assembled(env)
        from infra.look import inspection

        show.read_from(assembly.located)
        planned = inspection.adoption_of(assembly, show.errors.print)
        show.as_json(planned.to_dict()) if json else show.plan(planned)
        return
    result = run("adopt", env, {}, quiet=json, here=here)
    show.as_json(result) if json else show.deployed(result)


app.command("exec")(execute)
app.command()(psql)
app.command()(config)
app.command()(init)
app.command()(bootstrap)
app.command()(doctor)
app.command()(schema)
app.command()(backup)
app.command()(backups)
app.command()(restore)
app.command()(drill)
app.command()(fetch)
app.command()(history)
app.command()(metrics)
app.command("status-page")(status_page)
app.add_typer(audit, name="audit")


@app.command()
def logs(
    services: Annotated[
        list[str],
        typer.Argument(help="Services of the Compose file.", autocompletion=services_named),
    ],
    env: Env,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of each.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
    since: Annotated[
        str, typer.Option(help="From then on: 10m, 2h, or 2030-01-31T12:00:00Z.")
    ] = "",
    grep: Annotated[str, typer.Option(help="Only lines that match this expression.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also the edge's health checks, one a second.")
    ] = False,
) -> None:
    """Show the last lines of services, with times."""
    assembly = assembled(env)
    from deployments.shell.probe import Tail
    from infra.look import inspection

    tail = Tail(tuple(services), lines, since, follow=follow)
    try:
        say = lambda text: show.console.out(text)  # noqa: E731
        code = inspection.logs_of(assembly, tail, say, checks=everything, grep=grep)
    except Interrupted:
        if not follow:
            raise
        # That is how one stops to follow.
        return
    if code != 0:
        raise Refused(
            f"Compose ended with code {code}",
            todo=f"is anything deployed there? homeguru status --env {env} shows what runs",
        )


demo = typer.Typer(no_args_is_help=True, help="HomeGuru on a server in a container, to try it.")
app.add_typer(demo, name="demo")
app.add_typer(control_plane, name="control-plane")
app.add_typer(actions, name="actions")
app.command()(setup)


@demo.command("up")
def demo_up(
    source: Annotated[Path, typer.Option("--source", help="The application.")] = DEMO_SOURCE,
) -> None:
    """Bring up server, registry and Prefect, and release the application; converges."""
    result = _demo().up(source.resolve())
    show.demo(result)


@demo.command("down")
def demo_down() -> None:
    """Stop and remove everything that `demo up` made."""
    _demo().down()


def _demo() -> Demo:
    from infra.cli.terminal import TerminalProgress
    from infra.demo.local import Demo

    say = lambda text: show.console.print(f"  {text}")  # noqa: E731
    return Demo(state_dir() / "demo", say, TerminalProgress(show.console))


def _source(source: str, ref: str, *, allow_dirty: bool) -> dict[str, Any]:
    from deployments.environment.sources import is_url

    where = source if is_url(source) else str(Path(source).resolve())
    return {"source": where, "ref": ref, "allow_dirty": allow_dirty}
