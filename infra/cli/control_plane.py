"""`homeguru control-plane`: a Prefect server of your own, with workers and a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import control_upkeep, control_worker, layout
from infra.cli.control_account import account
from infra.machine.paths import CHECKOUT, state_dir

if TYPE_CHECKING:
    from infra.control.plane import ControlPlane, Outcome
    from infra.control.settings import State
    from infra.demo.control_plane import ControlDemo

control_plane = typer.Typer(
    no_args_is_help=True, help="A Prefect server with workers and a gateway."
)
control_plane.add_typer(account, name="account")
control_upkeep.register(control_plane)
control_plane.command("worker")(control_worker.worker)

DEMO_SOURCE = CHECKOUT / "tests" / "homeguru"

Text = typer.Option
Image = Annotated[str, Text("--image", help="Run this image; default: built of the checkout.")]


def say(text: str) -> None:
    """One line of progress."""
    layout.console.print(f"  {text}", markup=False)


def state() -> State:
    """The state folder of the control plane that is put up from here."""
    from infra.control.settings import State

    return State(state_dir() / "control-plane")


def existing_plane() -> ControlPlane:
    """The control plane of the last `up`."""
    from infra.control.plane import ControlPlane

    plane_state = state()
    return ControlPlane(plane_state, plane_state.settings(), say)


@control_plane.command("up")
def up(
    address: Annotated[str | None, Text(help="A domain, an IP address or localhost.")] = None,
    environments: Annotated[Path | None, Text(help="Folder of environments (TOML).")] = None,
    keys: Annotated[Path | None, Text(help="Folder of SSH keys; flows see it as ~/.ssh.")] = None,
    http: Annotated[int | None, Text(help="Port that redirects.")] = None,
    https: Annotated[int | None, Text(help="Port of the gateway.")] = None,
    bind: Annotated[str | None, Text(help="Address of this machine to listen on.")] = None,
    host: Annotated[str | None, Text(help="user@address[:port]: put it up there.")] = None,
    host_key: Annotated[str | None, Text(help='Its key: "ssh-ed25519 AAAA...".')] = None,
    ssh_key: Annotated[Path | None, Text(help="Private key for --host.")] = None,
    builder: Annotated[str | None, Text(help="DOCKER_HOST for a publish in there.")] = None,
    recipient: Annotated[str | None, Text(help="age1...: whom backups are for.")] = None,
    image: Image = "",
    yes: control_upkeep.Yes = False,
) -> None:
    """Put it up, or bring it to what is said here; what is as it should be stays."""
    from infra.backups import age
    from infra.control.plane import ControlPlane
    from infra.engine.daemon import ensure_engine

    folders = {"environments": environments, "keys": keys, "ssh_key": ssh_key}
    plane_state = state()
    if recipient:
        age.recipient(recipient)
    settings = plane_state.choose(
        address=address, http=http, https=https, bind=bind, host=host, host_key=host_key,
        builder=builder, recipient=recipient,
        **{k: str(p.expanduser().resolve()) for k, p in folders.items() if p},
    )  # fmt: skip
    if not settings.host:
        ensure_engine(say, state_dir() / "engine")
    show_outcome(ControlPlane(plane_state, settings, say).up(image, cut_off=yes))


def show_outcome(outcome: Outcome) -> None:
    """What `up` did, and where to go now."""
    layout.console.print()
    for change in outcome.changes:
        say(change)
    headline = "[green]up[/green]" if outcome.changes else "[green]nothing to do[/green]"
    layout.console.print(f"{headline} after {outcome.seconds:.1f} s")
    rows = [("Prefect UI", outcome.url), ("PREFECT_API_URL", f"{outcome.url}/api")]
    if outcome.certificate:
        rows.append(("SSL_CERT_FILE", outcome.certificate))
    layout.pairs(rows)
    if not outcome.people:
        layout.console.print("\nNo person can log in yet: homeguru control-plane account add NAME")


@control_plane.command("down")
def down(
    volumes: Annotated[bool, Text("--volumes", help="The data too: history, blocks.")] = False,
    yes: control_upkeep.Yes = False,
) -> None:
    """Stop and remove it; its data stays unless --volumes is given."""
    existing_plane().down(volumes_too=volumes, cut_off=yes)


demo = typer.Typer(no_args_is_help=True, help="A control plane and a server on this machine.")
control_plane.add_typer(demo, name="demo")


@demo.command("up")
def demo_up(
    source: Annotated[Path, Text("--source", help="The application.")] = DEMO_SOURCE,
) -> None:
    """Control plane, server and a release through both; converges."""
    control_demo = _demo()
    result = control_demo.up(source.resolve())
    layout.console.print()
    rows = [("Prefect UI", result["ui"]), ("account", f"demo  {control_demo.password('demo')}")]
    rows += [("release", result["published"])]
    rows += [(name, url) for name, url in sorted(result.get("urls", {}).items())]
    rows += [("CA", str(control_demo.state / "control-plane" / "ca.crt"))]
    rows += [("seconds", ", ".join(f"{name} {took:.0f}" for name, took in control_demo.phases))]
    layout.pairs(rows)


@demo.command("down")
def demo_down() -> None:
    """Remove everything that `demo up` made."""
    _demo().down()


def _demo() -> ControlDemo:
    from infra.demo.control_plane import ControlDemo

    return ControlDemo(state_dir() / "demo-control-plane", say)
