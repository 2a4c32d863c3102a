"""The verbs. Those that change something run a flow; the others ask the host directly."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.errors import Refused
from infra import actor, environments, inspection, prefect_api, progress, signals
from infra.assembly import assemble
from infra.cli import show
from infra.cli.terminal import TerminalProgress
from infra.demo import Demo
from infra.paths import CHECKOUT, state_dir

app = typer.Typer(
    name="homeguru", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Publish, deploy, migrate, verify and roll back a Compose application.",
)  # fmt: skip

DEMO_SOURCE = CHECKOUT / "tests" / "homeguru"

Env = Annotated[str, typer.Option("--env", "-e", help="Environment, such as production.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Release = Annotated[str, typer.Argument(help="Manifest's name, a file, or newest.")]
Source = Annotated[Path, typer.Option("--source", help="The application's Git work tree.")]
Ref = Annotated[str, typer.Option("--ref", help="Branch, tag or commit.")]
Dirty = Annotated[bool, typer.Option("--allow-dirty", help="Publish uncommitted changes too.")]
Output = Annotated[Path | None, typer.Option("--output", help="Write the manifest to a file.")]
Infra = Annotated[
    bool, typer.Option("--update-infrastructure", help="Database and edge follow the release too.")
]


@app.callback(invoke_without_command=True)
def homeguru(
    shown: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Publish, deploy, migrate, verify and roll back a Compose application."""
    if shown:
        show.console.print(f"homeguru {version('homeguru-deploy')}")
        raise typer.Exit


@app.command()
def publish(
    env: Env, source: Source = Path(), ref: Ref = "HEAD", allow_dirty: Dirty = False,
    output: Output = None, json: Json = False,
) -> None:  # fmt: skip
    """Build what changed, push it by digest, store the release manifest."""
    found = _flow("publish", env, json, **_source(source, ref, allow_dirty))
    if output:
        from deployments.manifest import Manifest

        output.write_text(Manifest.model_validate(found).to_json() + "\n")
    show.as_json(found) if json else show.manifest(found)


@app.command()
def deploy(
    env: Env, release: Release = "newest", update_infrastructure: Infra = False, json: Json = False
) -> None:
    """Bring an environment to a published release, or leave it as it was."""
    found = _flow("deploy", env, json, release=release, update_infrastructure=update_infrastructure)
    show.as_json(found) if json else show.deployed(found)


@app.command()
def release(
    env: Env, source: Source = Path(), ref: Ref = "HEAD", allow_dirty: Dirty = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Publish, then deploy what was published."""
    found = _flow("release", env, json, **_source(source, ref, allow_dirty))
    show.as_json(found) if json else show.deployed(found)


@app.command()
def migrate(env: Env, release: Release = "newest", json: Json = False) -> None:
    """Bring the database to the head of a release's migrations."""
    found = _flow("migrate", env, json, release=release)
    show.as_json(found) if json else show.deployed(found)


@app.command()
def verify(env: Env, json: Json = False) -> None:
    """Ask the running application from outside and inside; change nothing."""
    found = _flow("verify", env, json)
    show.as_json(found) if json else show.deployed(found)


@app.command()
def rollback(
    env: Env,
    to: Annotated[
        str, typer.Argument(help="previous, a release id, a manifest's name.")
    ] = "previous",
    json: Json = False,
) -> None:
    """Bring an earlier release back; the database is left as it is."""
    found = _flow("rollback", env, json, to=to)
    show.as_json(found) if json else show.deployed(found)


@app.command()
def plan(
    env: Env, release: Release = "newest", update_infrastructure: Infra = False, json: Json = False
) -> None:
    """Show what deploy would do now; change nothing."""
    found = inspection.plan_of(
        assemble(env), release, show.errors.print, update_infrastructure=update_infrastructure
    )
    show.as_json(found.to_dict()) if json else show.plan(found)


@app.command()
def status(env: Env, json: Json = False) -> None:
    """Show what runs now."""
    found, notes = inspection.status_of(assemble(env), show.errors.print)
    show.as_json(found) if json else show.status(found, notes)


@app.command()
def history(env: Env, json: Json = False) -> None:
    """List every run that changed something, from the host's ledger."""
    lines, current = inspection.history_of(assemble(env), show.errors.print)
    if json:
        show.as_json([line.model_dump() for line in lines])
    else:
        show.history(lines, current)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Service of the Compose file.")],
    env: Env,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
) -> None:
    """Show a service's last lines."""
    code = inspection.logs_of(
        assemble(env), service, lines, follow=follow, log=lambda text: show.console.out(text)
    )
    if code != 0:
        raise Refused(f"Compose ended with code {code}", todo="is anything deployed there?")


demo = typer.Typer(no_args_is_help=True, help="HomeGuru on a production server on this machine.")
app.add_typer(demo, name="demo")


@demo.command("up")
def demo_up(
    source: Annotated[Path, typer.Option("--source", help="The application.")] = DEMO_SOURCE,
) -> None:
    """Bring up server, registry and Prefect, and release the application; converges."""
    signals.install()
    found = _demo().up(source.resolve())
    show.demo(found)


@demo.command("down")
def demo_down() -> None:
    """Stop and remove everything that `demo up` made."""
    _demo().down()


def _demo() -> Demo:
    say = lambda text: show.console.print(f"  {text}")  # noqa: E731
    return Demo(state_dir() / "demo", say, TerminalProgress(show.console))


def _source(source: Path, ref: str, allow_dirty: bool) -> dict[str, Any]:
    return {"source": str(source.resolve()), "ref": ref, "allow_dirty": allow_dirty}


def _flow(verb: str, env: str, quiet: bool, **parameters: Any) -> Any:
    """Run a flow here, with its progress; its run stays in Prefect's history."""
    environments.load(env)
    actor.claim(actor.from_terminal(""))
    signals.install()
    progress.watch(TerminalProgress(show.errors if quiet else show.console))
    return prefect_api.run_flow(verb, {"environment": env, **parameters})
