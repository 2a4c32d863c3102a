"""The stack: what one Compose file says, as far as a deploy needs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.compose.extension import Deploy
from deployments.compose.ports import numbers
from deployments.compose.references import interpolate, unfilled
from deployments.environment.policy import Services

PROJECT_NAME = "COMPOSE_PROJECT_NAME"
"""A variable that Compose itself fills."""

LEFT_OUT = "HOMEGURU_LEFT_OUT"
"""Variable of the host's `.env` that names the services which a release was deployed without."""

PROFILES = "COMPOSE_PROFILES"
"""Variable of the host's `.env` by which Compose knows services that no command names."""

PLACEHOLDER = "left-out"
"""Value of what only services that are left out need: Compose reads the whole file all the same."""


def in_project(text: str, project: str, values: Mapping[str, str]) -> str:
    """A text of the Compose file, such as a volume's name, as Compose fills it for a project."""
    return interpolate(text, {**values, PROJECT_NAME: project})


@dataclass(frozen=True)
class Service:
    """One service of the Compose file, as far as a deploy needs it."""

    name: str
    image_variable: str
    start_first: bool
    reservation_mb: int
    """Memory that a copy is expected to use, from `resources.reservations`; 0 when not said."""
    overrides_command: bool
    one_off: bool
    """Whether it is the one that migrates: it has a container only while it does."""
    stop_grace: int
    image_of: str = ""
    """The service whose image it runs: itself, or the first one with the same image variable."""
    build: tuple[str, str, str] | None = None
    """Dockerfile, context and stage of Compose's `build`, from the root of what it builds."""
    profiles: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """Services that it `depends_on`."""
    runs_once: bool = False
    """Whether others wait for its end (`service_completed_successfully`)."""
    alone: str = ""
    """Why two containers of it cannot run at a time; empty where they can."""


@dataclass(frozen=True)
class Process:
    """How a service's image is started, and with what; values may hold ${references}."""

    call: dict[str, Any] = field(default_factory=dict)
    """`entrypoint`, `user`, `working_dir`, where the file names them."""
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    """Where something is mounted in it."""


@dataclass(frozen=True)
class Stack:
    """All services, what each refers to, and `x-deploy`."""

    text: str
    services: dict[str, Service]
    deploy: Deploy
    references: dict[str, str | None]
    """Variable name to default; None means that a value is needed."""
    uses: dict[str, frozenset[str]]
    """Service to the variables that reach it."""
    ports: tuple[tuple[str, str], ...]
    """Service and each port that it publishes on the host; may be a ${reference}."""
    in_urls: frozenset[str]
    """Variables that stand inside a URL and so must be URL-safe."""
    volumes: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Service to the named volumes that it mounts: name, may hold ${references}, and path inside."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Services of the file that are not here, and why, where an environment says so."""
    placeholders: frozenset[str] = frozenset()
    """Variables without a default that only services use which are left out."""
    named: frozenset[str] = frozenset()
    """All variables of the file, those of services that are left out too."""
    forms: dict[str, str] = field(default_factory=dict)
    """Service to its form, as text with ${references}; under "" what belongs to no service."""
    processes: dict[str, Process] = field(default_factory=dict)
    places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Service to where PostgreSQL's data would be on the host: volumes' names and paths, which may
    hold ${references}."""
    secret_variables: dict[str, frozenset[str]] = field(default_factory=dict)
    """Service to the variables that reach it through Compose's `secrets`, as files."""

    def waited_for(self, service: str) -> set[str]:
        """Services that one waits for (`depends_on`), and those that these wait for."""
        found: set[str] = set()
        new = [service]
        while new:
            after = set(self.services[new.pop()].after) & self.services.keys() - found
            found |= after
            new += after
        return found

    def user(self, service: str) -> str:
        """Who a service runs as, where the file says so; may hold ${references}."""
        return str(self.processes.get(service, Process()).call.get("user", ""))

    def own_volumes(self, service: str) -> tuple[tuple[str, str], ...]:
        """Volumes that no other service mounts: name, may hold ${references}, and path inside."""
        others = {v for s, each in self.volumes.items() if s != service for v, _ in each}
        return tuple(each for each in self.volumes.get(service, ()) if each[0] not in others)

    @property
    def ordered(self) -> list[Service]:
        """Services that have a container after a deploy, in the order of replacement.

        `x-deploy.order` decides; what it does not name comes first, after what it depends on.
        """
        rank = {name: i for i, name in enumerate(self.deploy.order)}
        running = [s for s in self.services.values() if not s.one_off]
        return sorted(
            running, key=lambda s: (rank.get(s.name, -1), self._depth(s.name, ()), s.name)
        )

    @property
    def place(self) -> dict[str, int]:
        """Service to its place in the order of replacement."""
        return {service.name: n for n, service in enumerate(self.ordered)}

    def _depth(self, service: str, seen: tuple[str, ...]) -> int:
        """Length of the longest chain of what it depends on; Compose itself refuses circles."""
        if service not in self.services or service in seen:
            return 0
        return max(
            (1 + self._depth(n, (*seen, service)) for n in self._waited_for(service)), default=0
        )

    def _waited_for(self, service: str) -> tuple[str, ...]:
        """What must be there before a service, by Compose and by `x-deploy`."""
        return (*self.services[service].after, *self.deploy.after.get(service, ()))

    @property
    def profiles(self) -> list[str]:
        """Profiles of what others depend on without sharing one: Compose would not know it."""
        groups = [
            self.services[name].profiles
            for s in self.services.values()
            for name in s.after
            if name in self.services and not set(self.services[name].profiles) & set(s.profiles)
        ]
        return sorted({profile for group in groups for profile in group})

    def waits_for(self, service: str) -> list[str]:
        """Services that start only when this one has ended, in the order of replacement."""
        return [s.name for s in self.ordered if service in s.after]

    @property
    def database_users(self) -> list[Service]:
        """Long-running services that are given one of the database's passwords, as ordered."""
        wanted = self.deploy.database
        others = [s for s in self.ordered if wanted and s.name != wanted.service]
        return [s for s in others if self.passwords & self.uses[s.name]]

    @property
    def passwords(self) -> frozenset[str]:
        """Names of the secrets that are the database's two passwords."""
        wanted = self.deploy.database
        return frozenset({wanted.owner.password, wanted.application.password} if wanted else ())

    @property
    def files_of_secrets(self) -> frozenset[str]:
        """Variables that reach a container through Compose's `secrets`."""
        return frozenset(n for s in self.services for n in self.secret_variables.get(s, ()))

    def missing(self, values: Mapping[str, str]) -> list[str]:
        """Variables that would reach a container or the database as nothing, given these values."""
        own = dict.fromkeys(self.image_variables | {PROJECT_NAME}, "-")
        all_values = {**values, **own}
        blank = (unfilled(form, all_values) for form in self.forms.values())
        return sorted(
            {*(name for names in blank for name in names), *self.passwords - all_values.keys()}
        )

    def published(self, variables: dict[str, str]) -> list[tuple[str, int]]:
        """Service and each TCP port that it publishes. `wrong_ports` lists what is no port."""
        filled = [(service, numbers(interpolate(raw, variables))) for service, raw in self.ports]
        return [(service, port) for service, ports in filled for port in ports or ()]

    def wrong_ports(self, variables: dict[str, str]) -> list[str]:
        """What is published and is no port, a sentence each."""
        filled = [(service, interpolate(raw, variables)) for service, raw in self.ports]
        return [f"{s} publishes {t!r}, which is no port" for s, t in filled if not numbers(t)]

    @property
    def image_variables(self) -> frozenset[str]:
        """Variables that the deploy itself fills with image references."""
        return frozenset(s.image_variable for s in self.services.values())

    def called_for(self, variables: Mapping[str, str]) -> Stack:
        """The same without the optional services that no variable calls for."""
        return self.without({n for n, v in self.deploy.optional.items() if not variables.get(v)})

    def chosen(self, services: Services) -> Stack:
        """The same without what an environment leaves out or has no profile for."""
        wanted = set(services.profiles)
        why = {
            s.name: f"[services] profiles names none of its own, {', '.join(s.profiles)}"
            for s in self._profiled
            if not wanted & set(s.profiles)
        }
        why |= {
            n: "[services] leave_out names it" for n in services.leave_out if n in self.services
        }
        return self.without(why.keys(), why)

    def as_recorded(self, values: Mapping[str, str]) -> Stack:
        """The same with the services that a release was deployed with, by its `.env`."""
        why = dict.fromkeys(values.get(LEFT_OUT, "").split(), "the release has it not")
        # Releases from before services under `profiles` were deployed do not name them.
        why |= {
            s.name: "the release has it not"
            for s in self._profiled
            if not values.get(s.image_variable)
        }
        left_out = {n: reason for n, reason in why.items() if n in self.services}
        return self.without(left_out.keys(), left_out)

    @property
    def _profiled(self) -> list[Service]:
        """Services under `profiles`; of the optional ones their variable decides."""
        return [s for s in self.ordered if s.profiles and s.name not in self.deploy.optional]

    def without(self, names: Collection[str], why: Mapping[str, str] | None = None) -> Stack:
        """The same without some of its services. why: what an environment says of them."""
        if not names:
            return self
        still = {v for n, used in self.uses.items() if n not in names for v in used}
        gone = {v for n in names for v in self.uses[n]} - still
        deploy = _deploy_without(self.deploy, names)
        if self.deploy.database and not deploy.database:
            gone |= self.passwords - still
        needed = {n for n in gone if self.references.get(n, "") is None}
        return replace(
            self,
            deploy=deploy,
            references={n: d for n, d in self.references.items() if n not in gone},
            services={n: s for n, s in self.services.items() if n not in names},
            forms={n: form for n, form in self.forms.items() if n not in names},
            ports=tuple((n, port) for n, port in self.ports if n not in names),
            left_out={**self.left_out, **(why or {})},
            placeholders=self.placeholders | needed if why else self.placeholders,
        )

    def build_of(self, image_of: str) -> tuple[str, str, str] | None:
        """Compose's `build` of an image; the service that it is named after may be left out."""
        runs = (s.build for s in self.services.values() if s.image_of == image_of)
        return next(filter(None, runs), None)

    def built(self) -> list[str]:
        """Services whose images are published from the application's source."""
        own = [s.image_of for s in self.ordered if s.name not in self.deploy.infrastructure]
        return list(dict.fromkeys(own))


def _deploy_without(deploy: Deploy, names: Collection[str]) -> Deploy:
    """`x-deploy` without what it says of some services; what needs one of them is gone too."""
    edge, database, migrate = deploy.edge, deploy.database, deploy.migrate
    if edge and edge.service in names:
        edge = None
    if edge:
        routes = {n: r for n, r in edge.routes.items() if n not in names}
        edge = edge.model_copy(update={"routes": routes})
    if database and database.service in names:
        database = migrate = None
    if migrate and {migrate.service, migrate.image_of} & set(names):
        migrate = None
    if migrate:
        at_start = tuple(n for n in migrate.at_start if n not in names)
        migrate = migrate.model_copy(update={"at_start": at_start})
    update = {
        "infrastructure": {n: i for n, i in deploy.infrastructure.items() if n not in names},
        "probes": {n: p for n, p in deploy.probes.items() if n not in names},
        "prepare": {n: p for n, p in deploy.prepare.items() if n not in names},
        "after": {
            n: tuple(before for before in waited if before not in names)
            for n, waited in deploy.after.items() if n not in names
        },
        "edge": edge, "database": database, "migrate": migrate,
    }  # fmt: skip
    return deploy.model_copy(update=update)
