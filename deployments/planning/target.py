"""What an environment should run: a manifest, a Compose file and a configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from deployments.compose.env_file import parse_env, render_env
from deployments.compose.references import interpolate
from deployments.compose.stack import LEFT_OUT, PLACEHOLDER, PROFILES, Stack, in_project
from deployments.compose.variables import Configuration
from deployments.environment.schema import Environment
from deployments.environment.server import EDGE_ADDRESS, EDGE_VARIABLES
from deployments.errors import Refused
from deployments.host import edge
from deployments.host.edge_answers import with_maintenance, with_status_page
from deployments.host.observation import Observation
from deployments.image_name import digest_of, without_tag
from deployments.release.adopted_record import Adoption
from deployments.release.manifest import Manifest


@dataclass(frozen=True)
class Target:
    """The wanted state. `update_infrastructure` lets postgres and edge follow the manifest."""

    environment: Environment
    manifest: Manifest
    stack: Stack
    configuration: Configuration
    edge_base: str = ""
    update_infrastructure: bool = False
    pins: dict[str, str] = field(default_factory=dict)
    """References to bring back, whatever runs now."""

    @property
    def adopted(self) -> Adoption | None:
        """How it was deployed by hand; None for every release but an adopted one."""
        return self.manifest.adopted

    def runs(self, seen: Observation) -> bool:
        """Whether its manifest is the one of the current release."""
        return (seen.current or "").partition("-")[2] == self.manifest.name

    @property
    def in_clear(self) -> list[str]:
        """Addresses whose users' passwords travel unencrypted; this machine's own are not counted."""
        parts = [urlsplit(url) for url in self.environment.urls.values()]
        plain = [p for p in parts if p.scheme == "http" and not _is_loopback(p.hostname or "")]
        return sorted({f"{p.scheme}://{p.netloc}" for p in plain})

    def images(self, seen: Observation) -> dict[str, str]:
        """Service to the reference that the host pulls, `<registry>/<repository>@<digest>`."""
        return {s.name: self._image(s.name, seen) for s in self.stack.ordered}

    def _image(self, service: str, seen: Observation) -> str:
        published = self.manifest.services.get(self.stack.services[service].image_of)
        if self.adopted:
            return self.pins[service]
        if service not in self.stack.deploy.infrastructure:
            if published is None:
                raise Refused(
                    f"release {self.manifest.name} has no image for service {service}",
                    state="untouched",
                    todo="publish again: the Compose file names a service that the release lacks",
                )
            return f"{self.environment.pull_registry}/{published.repository}@{published.digest}"
        if service in self.pins:
            return self.pins[service]
        source = self.infrastructure_source(service)
        repository = without_tag(source)
        if digest := digest_of(source):
            return f"{repository}@{digest}"
        if not self.update_infrastructure and (running := running_reference(seen, service)):
            return running
        if published is None:
            raise Refused(
                f"release {self.manifest.name} has no digest for {service}",
                state="untouched",
                todo=f"publish again, or pin it: [images] {service} = '{source}@sha256:...'",
            )
        return f"{repository}@{published.digest}"

    def infrastructure_source(self, service: str) -> str:
        """Where the host finds an image that is not built here: `host/repository:tag`."""
        return self.environment.images.get(service, self.stack.deploy.infrastructure[service])

    @property
    def known_services(self) -> set[str]:
        """Services that may have a container."""
        once = self.adopted.once if self.adopted else ()
        return {*self.stack.services, *once}

    def env(self, seen: Observation) -> dict[str, str]:
        """The complete `.env` of this target: variables and image references."""
        images = self.images(seen)
        references = {
            service.image_variable: images[service.name] for service in self.stack.ordered
        }
        left_out = dict.fromkeys(sorted(self.stack.placeholders), PLACEHOLDER)
        if self.stack.left_out:
            left_out[LEFT_OUT] = " ".join(sorted(self.stack.left_out))
        if self.stack.profiles:
            left_out[PROFILES] = ",".join(self.stack.profiles)
        return {**left_out, **self.configuration.variables, **references}

    def env_now(self, seen: Observation) -> dict[str, str]:
        """The same with the references that run now: each is changed by its own step."""
        running = {
            service.image_variable: seen.of(service.name)[0].ref
            for service in self.stack.ordered
            # What ran to its end for another release does not run on the way back.
            if seen.of(service.name) and not service.runs_once
        }
        return {**self.env(seen), **running}

    def edge_config(self, seen: Observation, replaced: Container[str] = ()) -> str:
        """The edge's file, with the slots as they are on the host now; lost ones come back.

        replaced: services that change places after the edge reads it. Maintenance stays on
        whatever is deployed.
        """
        part = self.stack.deploy.edge
        if part is None:
            return ""
        serving = {s: seen.of(s)[0].name for s in part.routes if _one_serves(s, seen)}
        config = edge.render_again(
            self.edge_base, part, seen.edge, serving, self._proxies, replaced
        )
        path = self.environment.edge.status_page
        if path and part.routes:
            config = with_status_page(config, edge.page_route(part), path)
        return with_maintenance(config) if seen.maintenance else config

    @property
    def closes_ports(self) -> bool:
        """Whether the edge's ports are open on `[edge] listen` alone: a former release may not read it."""
        return EDGE_ADDRESS in self.stack.named and bool(self.environment.edge.listen)

    @property
    def _proxies(self) -> tuple[str, ...]:
        """Whose `X-Forwarded-*` the edge believes on its published ports."""
        settings, part = self.environment.edge, self.stack.deploy.edge
        apart = part is not None and any(r.tls_listen for r in part.routes.values())
        # A Compose file from before `tls_listen` has what terminates TLS on the published port.
        if settings.domain and not apart:
            return edge.EVERYBODY
        local = settings.for_the_server_alone and self.closes_ports and not settings.domain
        return edge.EVERYBODY if local else settings.proxies

    def candidate_files(self, seen: Observation) -> dict[str, str]:
        """Files that Compose needs to evaluate this target."""
        return {
            "compose.yml": self.stack.text,
            ".env": render_env(self.env(seen)),
            "secrets.env": render_env(
                {n: v for n, v in self.configuration.secrets.items() if n in self.stack.references}
            ),
        }

    def login(self, incoming: str) -> tuple[str, str, str] | None:
        """Directory of the password's file, registry and user; None means anonymous."""
        login = self.environment.login
        if login is None:
            return None
        user = self.secret(login.user).get_secret_value()
        return incoming, self.environment.pull_registry, user

    def login_file(self) -> dict[str, str]:
        """The file that a pull reads the registry's password from."""
        login = self.environment.login
        if login is None:
            return {}
        return {"registry.password": self.secret(login.token).get_secret_value()}

    def value(self, text: str) -> str:
        """Fill the references in one of `x-deploy`'s values."""
        return interpolate(text, self.configuration.variables)

    def in_project(self, name: str) -> str:
        """The name of a volume on the server."""
        return in_project(name, self.environment.project, self.configuration.variables)

    def secret(self, name: str) -> SecretStr:
        """One secret's value."""
        return self.configuration.secrets[name]


def running_reference(seen: Observation, service: str) -> str:
    """The reference by digest of what runs; empty when nothing does, or no registry has it.

    What was deployed by hand runs under a tag: its variant of PostgreSQL must stay.
    """
    for container in seen.of(service):
        if "@" in container.ref:
            return container.ref
        for reference in container.digests:
            return reference
    return ""


def _one_serves(service: str, seen: Observation) -> bool:
    """Whether it has one container, behind the edge: none with ports of its own, as by hand."""
    containers = seen.of(service)
    return (
        len(containers) == 1
        and containers[0].serving
        and containers[0].name not in seen.published.values()
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def former_configuration(
    env_text: str, stack: Stack, now: Configuration, edge: Mapping[str, str] | None = None
) -> Configuration:
    """A former release's variables with the secrets that are valid now.

    A revoked secret never comes back. edge: what `[edge]` says now, where that is to stay: under
    which name users come is no release's business.
    """
    edge_names = {} if edge is None else EDGE_VARIABLES
    own = {*stack.image_variables, *now.secrets, *edge_names, LEFT_OUT, PROFILES}
    variables = {
        name: value
        for name, value in parse_env(env_text).items()
        if name not in own and value != PLACEHOLDER
    }
    return Configuration(variables={**variables, **(edge or {})}, secrets=now.secrets)


def lost_values(target: Target, fingerprints: str) -> list[str]:
    """What a former release's containers had and this configuration gives no more, by name.

    fingerprints: the host's `NAME fingerprint` lines of the secrets that the release had. One with
    a default would go unnoticed otherwise.
    """
    values = {
        **target.configuration.variables,
        **{name: value.get_secret_value() for name, value in target.configuration.secrets.items()},
    }
    had = {line.split()[0] for line in fingerprints.splitlines() if line.strip()}
    gone = (had & target.stack.references.keys()) - values.keys()
    return sorted({*target.stack.missing(values), *gone})


def former_images(env_text: str, stack: Stack) -> dict[str, str]:
    """Service to the image reference that a former release's variables hold."""
    values = parse_env(env_text)
    references = {s.name: values.get(s.image_variable, "") for s in stack.ordered}
    return {service: reference for service, reference in references.items() if "@" in reference}
