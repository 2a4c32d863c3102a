"""Looking at everything a deploy needs: this machine, the control plane, the server."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from deployments.bootstrap.machine import read_machine
from deployments.bootstrap.plan import SURVEYED
from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Refused
from deployments.health.doctor import (
    SIGNATURES,
    Diagnosis,
    examined,
    failed,
    of_host,
    of_machine,
    of_policies,
    of_processor,
    signing,
    tolerated,
)
from deployments.planning.preflight import MINIMUM_COMPOSE, version
from deployments.release.manifest import of_environment
from deployments.shell.machine import survey
from infra.environment import locate
from infra.environment.context import Assembly, assemble
from infra.environment.locate import Located
from infra.look.inspection import opened
from infra.machine.processes import run
from infra.publish.signatures import need_cosign, public_keys
from infra.publish.vulnerabilities import need_trivy
from infra.ssh.key import check_key_file


def this_machine(name: str) -> Iterator[Diagnosis]:
    """What a command needs here; what depends on something that is wrong is left out."""
    yield from _tools()
    try:
        located = locate.load(name)
        yield Diagnosis("this machine", "environment", "ok", str(located.file))
        assembly = assemble(name)
    except HomeguruError as error:
        yield failed("this machine", "environment", error)
        return
    yield Diagnosis("this machine", "Compose file", "ok", str(located.compose_file))
    yield from _of_files(assembly)
    yield from of_policies(located.environment, assembly.stack)


def _tools() -> Iterator[Diagnosis]:
    yield examined("this machine", "Compose", _compose)
    yield examined("this machine", "git", lambda: _tool("git", "--version"))
    engine = (
        run("docker", "version", "-f", "{{.Server.Version}}") if shutil.which("docker") else None
    )
    if engine is None or engine.code:
        yield Diagnosis(
            "this machine", "Docker engine", "warning", "none answers: nothing can be published from here",
            "start Docker, or publish through a worker or GitHub Actions",
        )  # fmt: skip
    else:
        yield Diagnosis("this machine", "Docker engine", "ok", engine.stdout.strip())


def _tool(name: str, *words: str) -> str:
    if not shutil.which(name):
        raise Refused(f"{name} is not installed", todo=f"apt-get install {name}")
    return run(name, *words).stdout.strip()


def _compose() -> str:
    least = ".".join(map(str, MINIMUM_COMPOSE))
    done = run("docker", "compose", "version", "--short") if shutil.which("docker") else None
    if done is None:
        raise Refused("Docker's client is missing", todo="install it with Compose and buildx")
    if done.code or version(done.stdout.strip()) < MINIMUM_COMPOSE:
        had = done.stdout.strip() if not done.code else ""
        what = f"Compose {had} is older than {least}" if had else "Docker Compose v2 is missing"
        raise Refused(what, todo=f"install Docker's Compose plugin, {least} or newer")
    return done.stdout.strip()


def _of_files(assembly: Assembly) -> Iterator[Diagnosis]:
    located = assembly.located
    environment = located.environment
    yield examined("this machine", "variables and secrets", lambda: _secrets(assembly))
    yield examined(
        "this machine", "deploy key", lambda: _deploy_key(located.key_file, environment.ssh)
    )
    yield examined("this machine", "registry", lambda: _registry(assembly))
    if environment.signatures.keys:
        yield signing(
            environment, examined("this machine", SIGNATURES, lambda: _signatures(located))
        )
    if environment.scan.fail_on:
        yield tolerated(examined("this machine", "scanner", lambda: _scanner(environment)))
    if environment.edge.domain:
        yield examined("this machine", "domain", lambda: _domain(environment))


def _secrets(assembly: Assembly) -> str:
    assembly.configuration()
    environment = assembly.located.environment
    needed = set(environment.secret_names) - {*environment.signatures.secret_names}
    return f"all {len(needed)} secrets are there"


def _deploy_key(file: Path, where: str) -> str:
    check_key_file(file, where)
    return str(file)


def _registry(assembly: Assembly) -> str:
    environment = assembly.located.environment
    with assembly.registry() as registry:
        registry.ping()
        # Also whether the login may read there.
        tags = registry.tags(environment.manifests)
        count = sum(of_environment(tag, environment.name) for tag in tags)
    return f"{environment.push_registry}, {count} releases of {environment.name}"


def _signatures(located: Located) -> str:
    need_cosign("verifies who signed a release")
    keys = ", ".join(str(key) for key in public_keys(located))
    required = located.environment.signatures.required
    return f"{'required' if required else 'not required'}, by {keys}"


def _scanner(environment: Environment) -> str:
    need_trivy()
    return f"trivy, which refuses releases from {environment.scan.fail_on} on"


def _domain(environment: Environment) -> str:
    """Each name below it leads to the server, or its certificates cannot be had."""
    server = _addresses(environment.host.address)
    domain = environment.edge.domain
    hosts = {urlsplit(url).hostname or "" for url in environment.urls.values()}
    names = [domain, *sorted(host for host in hosts if host.endswith(f".{domain}"))]
    for name in names:
        found = _addresses(name)
        if not found & server:
            leads = f"leads to {', '.join(sorted(found))}" if found else "does not resolve"
            raise Refused(
                f"{name} {leads}", where="DNS",
                todo=f"an A record of {name} with {', '.join(sorted(server)) or environment.host.address}",
            )  # fmt: skip
    return f"{', '.join(names)}: of the server's address"


def _addresses(name: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return set()


def server(name: str) -> Iterator[Diagnosis]:
    """What a deploy needs there; nothing where the environment cannot be read."""
    try:
        assembly = assemble(name)
    except HomeguruError:
        return
    environment = assembly.located.environment
    try:
        with opened(assembly, "status", lambda _: None) as host:
            seen = host.observe(assembly.stack)
            words = (environment.host.user, "", environment.directory, SURVEYED)
            machine = read_machine(host.read(survey(*words)))
    except HomeguruError as error:
        yield failed("server", "SSH", error)
        return
    yield Diagnosis("server", "SSH", "ok", environment.ssh)
    yield from of_host(environment, assembly.stack, seen, time.time())
    here = run("docker", "version", "-f", "{{.Server.Arch}}") if shutil.which("docker") else None
    builds = here.stdout.strip() if here and not here.code else ""
    yield from of_processor(builds, machine.facts.get("processor", ""))
    yield from of_machine(environment, assembly.stack, machine)
