"""Images of a release that are not built here: the database's, the edge's."""

from __future__ import annotations

from dataclasses import dataclass

from deployments import image_name
from deployments.compose.stack import Stack
from deployments.environment.schema import Environment
from deployments.errors import WrongUse
from deployments.image_name import ImageName
from deployments.release.manifest import ServiceImage
from infra.machine.threads import at_once
from infra.registry.api import Registry


@dataclass(frozen=True)
class NotBuilt:
    """Those of one environment. registry: the one that its own images are in."""

    environment: Environment
    stack: Stack
    registry: Registry

    def images(self) -> dict[str, ServiceImage]:
        """Digests, today, of the images that are not built here."""
        services = self.stack.deploy.infrastructure
        found = at_once(lambda service: self._not_built(service, services[service]), services)
        return dict(zip(services, found, strict=True))

    def _not_built(self, service: str, default: str) -> ServiceImage:
        reference = self.environment.images.get(service, default)
        name = image_name.read(reference)
        digest = name.digest or self._digest_of(name)
        if digest is None:
            raise WrongUse(
                f"no image {reference} for service {service}", state="untouched",
                todo=f"correct [images] {service} in the environment",
            )  # fmt: skip
        return ServiceImage(repository=name.repository, digest=digest, built=False)

    def _digest_of(self, name: ImageName) -> str | None:
        if name.host == self.environment.pull_registry:
            return self.registry.digest(name.repository, name.tag)
        with Registry(name.host, named="[images] of the environment, or x-deploy") as registry:
            return registry.digest(name.repository, name.tag)
