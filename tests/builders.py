"""Builders that unit and script tests share: an environment, a stack, a settled host.

A test asks for the factory it needs and changes only what it is about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deployments.compose.env_file import render_env
from deployments.compose.reader import parse_stack
from deployments.compose.stack import Stack
from deployments.compose.variables import Configuration
from deployments.environment.schema import Environment, parse_environment
from deployments.history.ledger import Ledger, Line, Revision
from deployments.host import edge
from deployments.host.candidate import Candidate
from deployments.host.containers import Container
from deployments.host.observation import Observation
from deployments.image_name import digest_of
from deployments.planning.plan import Plan
from deployments.planning.planner import Planner
from deployments.planning.request import PlanRequest
from deployments.planning.target import Target
from deployments.release.manifest import Manifest, ServiceImage

COMPOSE = Path(__file__).resolve().parents[1] / "docker" / "docker-compose.prod.yml"
RECORD = Path(__file__).resolve().parent / "unit" / "compose.prod.json"
SECRETS = (
    "ADMIN_PASSWORD", "DATABASE_OWNER_PASSWORD", "DATABASE_PASSWORD", "JWT_SECRET_KEY",
    "OPENROUTER_API_KEY", "POSTGRES_PASSWORD", "TELEGRAM_BOT_TOKEN",
)  # fmt: skip

ENVIRONMENT_TOML = """
v = 1
project = "homeguru"
directory = "/srv/homeguru"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "acme/homeguru-{service}"
[host]
address = "h"
user = "deploy"
key_file = "../keys/id"
host_keys = []
"""
"""An environment's file with no more than it needs."""


@pytest.fixture(scope="session")
def digest() -> Callable[[str], str]:
    """A digest for a name: the same name always has the same one."""
    return lambda name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


@pytest.fixture(scope="session")
def toml() -> Callable[..., dict[str, Any]]:
    """The content of an environment's file, with some top-level keys changed or added."""

    def make(**changes: Any) -> dict[str, Any]:
        data = {
            "v": 1,
            "project": "homeguru",
            "directory": "/srv/homeguru",
            "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io",
            "repository": "acme/homeguru-{service}",
            "host": {
                "address": "203.0.113.7",
                "user": "deploy",
                "key_file": "id_ed25519",
                "host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="],
            },
            "secrets": {"names": list(SECRETS)},
            "urls": {"api": "https://api.example.org", "frontend": "https://example.org/"},
        }
        return {**data, **changes}

    return make


@pytest.fixture(scope="session")
def make_environment(toml: Callable[..., dict[str, Any]]) -> Callable[..., Environment]:
    return lambda **changes: parse_environment("prod", toml(**changes), "prod.toml")


@pytest.fixture(scope="session")
def compose_config() -> dict[str, Any]:
    """What Compose says of the production file; tests/e2e/test_compose.py keeps it true."""
    config: dict[str, Any] = json.loads(RECORD.read_text())
    return config


@pytest.fixture(scope="session")
def stack(compose_config: dict[str, Any]) -> Stack:
    return parse_stack(COMPOSE.read_text(), compose_config, str(COMPOSE))


@dataclass
class World:
    """A release, and a host on which it runs settled. Tests move one of the two away."""

    environment: Environment
    stack: Stack
    digest: Callable[[str], str]
    images: dict[str, str] = field(default_factory=dict)
    """Service to the name of its image's digest; `api` means `api-1`."""
    variables: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    base: str = "global\n    maxconn 4096\n"

    def manifest(self, **images: str) -> Manifest:
        services = {}
        for name in [s.name for s in self.stack.ordered]:
            wanted = images.get(name, self.images.get(name, f"{name}-1"))
            built = name not in self.stack.deploy.infrastructure
            repository = self.environment.repository_of(name) if built else f"library/{name}"
            services[name] = ServiceImage(
                repository=repository, digest=self.digest(wanted), built=built
            )
        label = hashlib.sha256(repr(sorted(images.items())).encode()).hexdigest()[:12]
        return Manifest(
            name=f"prod-sha-{label}", source="/source", ref="main", commit=label * 3,
            author="A <a@example.org>", created="2030-01-01T00:00:00Z", build_env={},
            services=services,
        )  # fmt: skip

    def target(self, variables: dict[str, str] | None = None, **images: str) -> Target:
        secrets = {name: SecretStr(f"value-of-{name}") for name in SECRETS}
        secrets |= {"REGISTRY_USER": SecretStr("robot"), "REGISTRY_TOKEN": SecretStr("token-1")}
        wanted = self.variables if variables is None else variables
        configuration = Configuration(wanted, secrets)
        manifest = self.manifest(**images)
        return Target(
            self.environment, manifest, self.stack, configuration, self.base, **self.options
        )

    def container(self, service: str, reference: str, **changes: Any) -> Container:
        name = f"{self.environment.project}-{service}-1"
        fields = {
            "id": f"id-of-{name}", "name": name, "service": service, "one_off": False,
            "image": "sha256:image", "ref": reference, "state": "running", "health": "healthy",
            "restarts": 0, "started": "2030-01-01T00:00:00Z", "config_hash": f"hash-of-{service}",
            "digests": (reference,),
        }  # fmt: skip
        return Container(**{**fields, **changes})

    @property
    def bare(self) -> Observation:
        """A host that was prepared and runs nothing yet."""
        return Observation(
            writable=True, locked=False, disk_mb=50_000, memory_mb=4_000, engine="27.1.0",
            compose="2.29.1", listening=frozenset(), published={}, containers=(), revision=None,
            env="", compose_file="", edge="", current=None, manifest="", ledger=Ledger(()),
            owner="", unfinished=(),
        )  # fmt: skip

    def settled(self, **changes: Any) -> Observation:
        """A host that runs the default target as release 1."""
        target = self.target()
        images = target.images(self.bare)
        slots = {
            name: (f"homeguru-{name}-1", edge.IDLE)
            for name in (self.stack.deploy.edge.routes if self.stack.deploy.edge else {})
        }
        config = edge.render(self.base, self.stack.deploy.edge, slots)
        containers = tuple(self.container(name, ref) for name, ref in images.items())
        seen = replace(
            self.bare, containers=containers, revision="0002", edge=config,
            env=render_env(target.env(self.bare)), compose_file=self.stack.text,
            current=f"1-{target.manifest.name}", manifest=target.manifest.to_json(),
        )  # fmt: skip
        return replace(seen, **changes)

    def changed(self, service: str, **changes: Any) -> tuple[Container, ...]:
        """The settled containers, one of them otherwise."""
        return tuple(
            replace(c, **changes) if c.service == service else c for c in self.settled().containers
        )

    def candidate(self, hashes: dict[str, str] | None = None, **secrets: str) -> Candidate:
        """Compose's answer: nothing differs, but for the hashes and secrets that are given."""
        same = {s: f"hash-of-{s}" for s in self.stack.services}
        now = dict.fromkeys(SECRETS, "fingerprint")
        return Candidate({**same, **(hashes or {})}, now, {**now, **secrets})

    def planner(
        self, target: Target, seen: Observation, candidate: Candidate | None = None,
        verb: Any = "deploy", release: str = "",
    ) -> Planner:  # fmt: skip
        request = PlanRequest(verb, release or f"2-{target.manifest.name}", ".incoming/token")
        return Planner(request, target, seen, candidate or self.candidate())

    def plan(self, *arguments: Any, **more: Any) -> Plan:
        return self.planner(*arguments, **more).plan()

    def line(self, seq: int, **changes: Any) -> Line:
        fields: dict[str, Any] = {
            "seq": seq, "at": "2030-01-01T00:00:00Z", "verb": "deploy",
            "manifest": f"prod-sha-{seq:012x}", "release": f"{seq}-prod-sha-{seq:012x}",
            "previous": None, "outcome": "ok", "revision": Revision(before="0001", after="0002"),
            "who": "alice@laptop", "origin": "cli", "run": f"run-{seq}", "seconds": 1.5,
            "steps": (), "prev": "",
        }  # fmt: skip
        return Line(**{**fields, **changes})

    def ledger(self, *lines: Line) -> Ledger:
        """Lines, chained."""
        raw: tuple[str, ...] = ()
        for line in lines:
            raw += (line.model_copy(update={"prev": Ledger(raw).tip}).to_json(),)
        return Ledger(raw)

    def digest_in(self, plan: Plan, service: str) -> str:
        return digest_of(dict(plan.images)[service])


@pytest.fixture
def world(
    make_environment: Callable[..., Environment], stack: Stack, digest: Callable[[str], str]
) -> World:
    return World(make_environment(), stack.called_for({}), digest)
