"""The verbs. Those that change something run a flow; the others ask the host directly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.database.choice import Choice
from infra.cli import completion, layout, show
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
from infra.cli.look import diff, logs, open_page, plan, status
from infra.cli.maintenance import maintenance
from infra.cli.options import (
    Approve,
    Env,
    Here,
    Json,
    Quiet,
    Release,
    UpdateInfrastructure,
    check_output_in_place,
    writing,
)
from infra.cli.printing import Printing
from infra.cli.rotate import rotate
from infra.cli.run import run
from infra.cli.scan import scan
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

Source = Annotated[str, typer.Option("--source", help="The application: a folder, or a Git URL.")]
Ref = Annotated[str, typer.Option("--ref", help="Branch, tag or commit.")]
Dirty = Annotated[bool, typer.Option("--allow-dirty", help="Publish uncommitted changes too.")]
Output = Annotated[Path | None, typer.Option("--output", help="Write the manifest to a file.")]


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
    output: Output = None, json: Json = False, quiet: Quiet = False, here: Here = False,
) -> None:  # fmt: skip
    """Build what changed and push it by digest.

    An image whose inputs did not change keeps its digest. The manifest of the release is stored in
    the registry.
    """
    check_output_in_place(output)
    printing = Printing(json, quiet)
    result = run(
        "publish", env, _source(source, ref, allow_dirty=allow_dirty), printing=printing, here=here
    )
    if output:
        from deployments.release.manifest import Manifest

        manifest = Manifest.model_validate(result)
        again = f"{manifest.name} is published: the same command with another --output builds nothing anew"
        with writing(output, again):
            output.write_text(manifest.to_json() + "\n")
    printing.result(result, show.manifest)


@app.command()
def deploy(
    env: Env, release: Release = "newest", update_infrastructure: UpdateInfrastructure = False,
    json: Json = False, quiet: Quiet = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Bring a server to a release, or leave it as it was.

    `current` deploys the release that runs once more, for a changed variable or secret.
    """
    printing = Printing(json, quiet)
    result = run(
        "deploy", env, {"release": release, "update_infrastructure": update_infrastructure},
        printing=printing, here=here, approve=approve,
    )  # fmt: skip
    printing.result(result, show.deployed)


@app.command()
def release(
    env: Env, source: Source = ".", ref: Ref = "HEAD", allow_dirty: Dirty = False,
    json: Json = False, quiet: Quiet = False, here: Here = False, approve: Approve = "",
) -> None:  # fmt: skip
    """Publish, then deploy what was published.

    Without a control plane and without `approval` the server pulls each image as soon as it is
    pushed.
    """
    printing = Printing(json, quiet)
    result = run(
        "release",
        env,
        _source(source, ref, allow_dirty=allow_dirty),
        printing=printing,
        here=here,
        approve=approve,
    )
    printing.result(result, show.deployed)


@app.command()
def migrate(
    env: Env, release: Release = "newest", json: Json = False, quiet: Quiet = False, here: Here = False,
    approve: Approve = "",
) -> None:  # fmt: skip
    """Bring the database to a release's revision."""
    printing = Printing(json, quiet)
    result = run(
        "migrate", env, {"release": release}, printing=printing, here=here, approve=approve
    )
    printing.result(result, show.deployed)


@app.command()
def verify(env: Env, json: Json = False, quiet: Quiet = False, here: Here = False) -> None:
    """Check the application from outside and inside.

    Looks for drift too: what differs on the server from the release that the ledger names.
    """
    printing = Printing(json, quiet)
    result = run("verify", env, {}, printing=printing, here=here)
    printing.result(result, show.deployed)


@app.command()
def rollback(
    env: Env,
    to: Annotated[
        str,
        typer.Argument(
            help="previous, a release's id or number, a manifest's name.",
            autocompletion=completion.earlier,
        ),
    ] = "previous",
    database: Annotated[
        Choice, typer.Option("--database", help="What becomes of the database.")
    ] = Choice.keep,
    json: Json = False,
    quiet: Quiet = False,
    here: Here = False,
    approve: Approve = "",
) -> None:
    """Bring an earlier release back.

    The database stays as it is unless --database says otherwise. Secrets are those valid now.
    """
    printing = Printing(json, quiet)
    result = run(
        "rollback",
        env,
        {"to": to, "database": database.value},
        printing=printing,
        here=here,
        approve=approve,
    )
    printing.result(result, show.deployed)


@app.command()
def adopt(
    env: Env,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was found only.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    here: Here = False,
) -> None:
    """Record what was deployed by hand as release 0.

    Touches no container. The first deploy then keeps the data, and goes back to it if it fails.
    """
    if dry_run:
        assembly = assembled(env)
        from infra.look import inspection

        show.read_from(assembly.located)
        planned = inspection.adoption_of(assembly, layout.errors.print)
        layout.as_json(planned.to_dict()) if json else show.plan(planned)
        return
    printing = Printing(json, quiet)
    result = run("adopt", env, {}, printing=printing, here=here)
    printing.result(result, show.deployed)


app.command("exec")(execute)
app.command()(psql)
app.command()(plan)
app.command()(diff)
app.command()(status)
app.command()(logs)
app.command("open")(open_page)
app.command()(config)
app.command()(init)
app.command()(bootstrap)
app.command()(rotate)
app.command()(scan)
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
app.add_typer(maintenance, name="maintenance")


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

    say = lambda text: layout.console.print(f"  {text}")  # noqa: E731
    return Demo(state_dir() / "demo", say, TerminalProgress(layout.console))


def _source(source: str, ref: str, *, allow_dirty: bool) -> dict[str, Any]:
    from deployments.environment.sources import is_url

    where = source if is_url(source) else str(Path(source).resolve())
    return {"source": where, "ref": ref, "allow_dirty": allow_dirty}
