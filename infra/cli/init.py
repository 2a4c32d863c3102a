"""init: from an application's repository to what a deploy needs of it."""

from __future__ import annotations

import getpass
import re
import shlex
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.errors import WrongUse
from infra.cli import layout
from infra.machine.files import read_text
from infra.machine.imports import importing

if TYPE_CHECKING:
    from deployments.onboarding.adaptation import Adaptation
    from deployments.onboarding.environment_file import Place
    from deployments.onboarding.repository import Repository

Source = Annotated[Path, typer.Argument(help="The application's repository.")]
Name = Annotated[str, typer.Option("--env", "-e", help="Name of the environment.")]
Address = Annotated[str, typer.Option("--address", help="The server's address; asked for if not given.")]  # fmt: skip
DomainName = Annotated[str, typer.Option("--domain", help="Its name, for HTTPS: shop.example.org.")]
User = Annotated[str, typer.Option("--user", help="The deploy user there; bootstrap makes it.", show_default="deploy")]  # fmt: skip
DEPLOY_USER = "deploy"
ComposeFile = Annotated[str, typer.Option("--compose", help="Which Compose file, of several.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show the changed lines of the Compose file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what was found; write nothing.")]
GitHub = Annotated[
    bool, typer.Option("--github", help="Put the secrets and the deploy key on GitHub, by gh.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]


def init(
    source: Source = Path(), env: Name = "production", address: Address = "", domain: DomainName = "",
    user: User = "", compose: ComposeFile = "", diff: Diff = False, dry_run: DryRun = False,
    github: GitHub = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Prepare an application's repository for deploys.

    Reads it, and writes what a deploy needs: a Compose file made from yours, an environment, secrets.
    For a repository on GitHub the workflows too. Nothing of yours is changed, and a second call
    overwrites nothing.
    """
    with importing():
        from deployments.environment.schema import parse_environment
        from deployments.onboarding.compose import adapt
        from deployments.onboarding.environment_file import Place, environment_text
        from infra.environment.folders import OWN_FOLDER
        from infra.onboarding import writing
        from infra.onboarding.reading import read_repository

    root = source.resolve()
    found = read_repository(root, compose)
    if not found.services:
        raise WrongUse(
            "there is neither a Compose file nor a Dockerfile", where=str(root), state="untouched",
            todo="write a Dockerfile that starts the application; docker init makes one to begin with",
        )  # fmt: skip
    adaptation = adapt(found, _checked_domain(domain))
    _say_found(found, adaptation)
    if found.compose.get("x-deploy"):
        compose_file = found.compose_file
    else:
        compose_file = writing.compose_path(found)
        text = writing.compose_text(root, found, adaptation)
        _say_changes(root, found, adaptation, text, diff=diff)
    if dry_run:
        return
    file, secrets = root / OWN_FOLDER / f"{env}.toml", f"{OWN_FOLDER}/{env}.secrets.env"
    asked = Place(env, address, user, f"../{compose_file}", domain)
    made = [] if compose_file == found.compose_file else [root / compose_file]
    _check_asked(asked, file, made)
    where = address or _asked("Address of the server", yes=yes, missing=not file.exists())
    place = replace(asked, address=where, user=user or DEPLOY_USER)
    environment = environment_text(found, adaptation, place)
    if not file.exists():
        # What was given on the command line is checked before anything is written.
        parse_environment(env, tomllib.loads(environment), str(file), environment)
    layout.console.print()
    written: list[str] = []
    if compose_file != found.compose_file and _wrote(root, compose_file, text):
        written.append(compose_file)
    if _wrote(root, f"{OWN_FOLDER}/{env}.toml", environment):
        written.append(f"{OWN_FOLDER}/{env}.toml")
    empty = _write_secrets(root, secrets, adaptation, yes=yes) if adaptation.secrets else []
    added = writing.ignore(root, [f"{OWN_FOLDER}/*.secrets.env"])
    _say_written(".gitignore", written=added)
    written += [".gitignore"] if added else []
    written += _on_github(root, env, wanted=github, yes=yes)
    _say_next(root, env, written, empty, secrets)


def _check_asked(asked: Place, file: Path, made: list[Path]) -> None:
    """Raises WrongUse where an option would be lost: the environment's file is there already.

    made: the Compose file, where it is one of those that `init` writes.
    """
    from deployments.onboarding.environment_file import asked_otherwise

    if not file.exists():
        return
    try:
        differ = asked_otherwise(asked, tomllib.loads(read_text(file)))
    except tomllib.TOMLDecodeError:
        # The commands that read it say so; here it is left alone.
        return
    if differ:
        aside = [
            f"mv {shlex.quote(str(there))} {shlex.quote(f'{there}.before')}"
            for there in (file, *made)
            if there.exists()
        ]
        raise WrongUse(
            f"init overwrites no file, and this was asked for: {'; '.join(differ)}", where=str(file),
            state="untouched",
            todo=f"{' && '.join(aside)}, then init again; bring your own changes back into what it writes",
        )  # fmt: skip


def _checked_domain(domain: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from deployments.fields import Domain

    try:
        return domain and TypeAdapter(Domain).validate_python(domain)
    except ValidationError:
        raise WrongUse(
            f"{domain!r} is no domain", state="untouched",
            todo="a domain reads shop.example.org, in lower case, without https://",
        ) from None  # fmt: skip


def _say_found(found: Repository, adaptation: Adaptation) -> None:
    layout.console.print(f"{found.name}: {found.compose_file or 'Dockerfile'}\n", highlight=False)
    rows = []
    for name in adaptation.order:
        if name in adaptation.routes:
            route = adaptation.routes[name]
            what = f"built here, port {route.listen}, answers at {route.health}"
        elif name in adaptation.infrastructure:
            what = adaptation.infrastructure[name]
        else:
            what = "built here"
        rows.append((name, what))
    layout.pairs(rows)


def _say_changes(
    root: Path, found: Repository, adaptation: Adaptation, text: str, *, diff: bool
) -> None:
    from infra.onboarding import writing

    layout.console.print(f"\n{writing.compose_path(found)} differs from yours:\n", highlight=False)
    layout.pairs([(".".join(e.path[-2:]), e.why) for e in adaptation.edits])
    for note in adaptation.notes:
        layout.console.print(f"note: {note}", highlight=False, markup=False)
    if diff:
        layout.console.print()
        for line in writing.difference(root, found, text):
            layout.console.print(line, highlight=False, markup=False)


def _asked(what: str, *, yes: bool, missing: bool) -> str:
    if not missing:
        return ""
    if yes or not sys.stdin.isatty():
        raise WrongUse(
            "the server's address is missing", state="untouched", todo="add --address HOST"
        )
    from deployments.environment.server import ADDRESS

    answer: str = typer.prompt(what)
    if not re.fullmatch(ADDRESS, answer.strip()):
        raise WrongUse(
            f"{answer!r} is no address", state="untouched",
            todo="a host's name or IP address, without user and port",
        )  # fmt: skip
    return answer.strip()


def _write_secrets(root: Path, path: str, adaptation: Adaptation, *, yes: bool) -> list[str]:
    """Names in the secrets file, some of them new, that have no value yet."""
    from infra.onboarding import writing

    values = {}
    for name, kind in sorted(adaptation.secrets.items()):
        if kind == "random":
            values[name] = writing.random_value()
        elif not yes and sys.stdin.isatty():
            values[name] = getpass.getpass(f"{name} (empty: later, before the first release): ")
        else:
            values[name] = ""
    added = writing.add_secrets(root / path, values)
    _say_written(path, written=bool(added))
    if made := [name for name in added if adaptation.secrets[name] == "random"]:
        layout.console.print(f"        a random value each: {', '.join(made)}", highlight=False)
    return writing.empty_secrets(root / path)


def _say_next(root: Path, env: str, written: list[str], empty: list[str], secrets: str) -> None:
    """What is left to a person: values, a commit of the paths that were written, two commands."""
    if empty:
        layout.console.print(
            f"\nstill empty: {', '.join(empty)}\n"
            f"a release is refused until {secrets} has a value for each",
            highlight=False,
        )
    if written and any((folder / ".git").exists() for folder in (root, *root.parents)):
        at = "" if root == Path.cwd() else f"-C {shlex.quote(str(root))} "
        layout.console.print(
            f"\ncommit what was written:\n  git {at}add {shlex.join(written)} && "
            f'git {at}commit -m "Prepare for deploys"',
            highlight=False, markup=False,
        )  # fmt: skip
    layout.console.print(
        f"\nnext: homeguru bootstrap --env {env}\n      homeguru release --env {env}",
        highlight=False,
    )


def _on_github(root: Path, env: str, *, wanted: bool, yes: bool) -> list[str]:
    """Workflows where the repository is on GitHub, and its secrets there where that is wanted.

    Returns the paths that were written.
    """
    from infra.onboarding import github

    repository = github.github_repository(root)
    if not repository:
        if wanted:
            raise WrongUse(
                "the repository has no origin on github.com", where=str(root), state="untouched",
                todo="git remote add origin git@github.com:OWNER/NAME.git",
            )  # fmt: skip
        return []
    branch = github.released_branch(root)
    workflows = []
    for path, text in github.workflows(env, branch).items():
        if _wrote(root, path, text):
            workflows.append(path)
        if f": {env}\n" not in (root / path).read_text():
            layout.console.print(f"        it is not for environment {env}", highlight=False)
    layout.console.print(f"        with them a push to {branch} releases to {env}", highlight=False)
    question = f"Put the secrets and the deploy key on {repository} by gh?"
    if wanted or (not yes and sys.stdin.isatty() and typer.confirm(question, default=False)):
        _put_on_github(root, env, repository)
    else:
        layout.console.print(
            f"\nwhen they are complete: homeguru init --env {env} --github puts the secrets and the "
            f"deploy key on {repository}",
            highlight=False,
        )
    return workflows


def _put_on_github(root: Path, env: str, repository: str) -> None:
    from infra.bootstrap.keys import deploy_key
    from infra.environment import locate
    from infra.environment.folders import OWN_FOLDER
    from infra.onboarding import github

    folder = root / OWN_FOLDER
    located = next(each for each in locate.all_of(folder) if each.environment.name == env)
    deploy_key(located.key_file, located.environment.ssh)
    secrets = located.beside(located.environment.secrets.file or f"{env}.secrets.env")
    github.put_secrets(repository, env, secrets, located.key_file, lambda text: layout.console.print(
        f"  [green]written[/green]  {text}", highlight=False))  # fmt: skip


def _wrote(root: Path, path: str, text: str) -> bool:
    """Write a file of the repository that is not there; whether it was written."""
    from infra.onboarding import writing

    written = writing.write_new(root / path, text)
    _say_written(path, written=written)
    return written


def _say_written(path: str, *, written: bool) -> None:
    mark = "[green]written[/green]" if written else "is there"
    layout.console.print(f"  {mark}  {path}", highlight=False)
