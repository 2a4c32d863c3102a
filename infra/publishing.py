"""Publishing: from a source to images in a registry and one release manifest."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from deployments import image_name
from deployments.dockerignore import Dockerignore
from deployments.errors import WrongUse
from deployments.image_name import REPOSITORY, ImageName
from deployments.inputs import arguments, base_images, input_hash, required
from deployments.manifest import Manifest, ServiceImage
from deployments.stack import Stack
from infra import bake
from infra.environments import Located
from infra.local import run
from infra.registry import Registry
from infra.source import Source, Tree

Say = Callable[[str], None]
_PYTHONS = ("3.11", "3.12", "3.13", "3.10")


@dataclass(frozen=True)
class Wanted:
    """One service's image: where it goes, what decides it, and whether it is there."""

    service: str
    repository: str
    inputs: str
    digest: str | None
    arguments: dict[str, str]
    revision: str


class Publisher:
    """Publishes one staged source for one environment."""

    def __init__(
        self, located: Located, stack: Stack, registry: Registry,
        login: tuple[str, str] | None, say: Say,
    ) -> None:  # fmt: skip
        self._environment = located.environment
        self._folder = located.build_folder
        self._compose = located.compose_file
        self._stack = stack
        self._registry = registry
        self._login = login
        self._say = say

    def chosen(self, tree: Tree) -> list[str]:
        """The files of a source that the builds read, of all images together."""
        ignores = self.dockerignores()
        paths = tree.paths(lambda folder: any(i.may_hold(folder) for i in ignores))
        return [path for path in paths if any(i.lets_in(path) for i in ignores)]

    def dockerignores(self) -> list[Dockerignore]:
        """The `.dockerignore` of every image."""
        own = self._compose.parent
        if self._folder != own and any(own.glob("Dockerfile.*")):
            raise WrongUse(
                "there are Dockerfiles beside the Compose file, and no docker-bake.hcl that builds "
                "by them", where=str(own), state="untouched",
                todo="write one, a target for each service; docker/docker-bake.hcl shows the form",
            )  # fmt: skip
        for service in self._stack.built():
            repository = self._environment.repository_of(service)
            if not re.fullmatch(REPOSITORY, repository):
                raise WrongUse(
                    f"service {service} has no repository: {repository!r} is no name that a "
                    "registry takes", where=str(self._compose), state="untouched",
                    todo="write the service's name in lower case",
                )  # fmt: skip
        return [self._dockerignore(service) for service in self._stack.built()]

    def _dockerfile(self, service: str) -> str:
        file = self._folder / f"Dockerfile.{service}"
        if not file.is_file():
            raise WrongUse(
                f"no Dockerfile for service {service}: {file}", state="untouched",
                todo="write it beside the Compose file, or name the service's image under "
                "x-deploy.infrastructure when it is built elsewhere",
            )  # fmt: skip
        return file.read_text()

    def _dockerignore(self, service: str) -> Dockerignore:
        file = self._folder / f"Dockerfile.{service}.dockerignore"
        if not file.is_file():
            raise WrongUse(
                f"no {file.name} beside Dockerfile.{service}", where=str(self._folder),
                state="untouched", todo="it says which files the image is made of: `*`, then `!path` lines",
            )  # fmt: skip
        return Dockerignore(file.read_text())

    def publish(self, source: Source) -> Manifest:
        """Build what changed, push it, tag everything, store the manifest."""
        self._registry.ping()
        self._check_build_names()
        self._say_what_is_not_built()
        wanted = [self._wanted(service, source) for service in self._stack.built()]
        missing = [w for w in wanted if w.digest is None]
        for image in wanted:
            state = "builds" if image.digest is None else "unchanged"
            self._say(f"{image.service}: {state}, inputs {image.inputs}")
        if missing:
            self._build(missing, source)
        built = {w.service: self._image(w, source) for w in wanted}
        services = {**built, **self._infrastructure()}
        manifest = Manifest(
            name=f"{self._environment.name}-{source.label}",
            source=source.origin, ref=source.ref, commit=source.commit, author=source.author,
            created=source.created, build_env=dict(sorted(self._environment.build.items())),
            services=dict(sorted(services.items())),
        )  # fmt: skip
        tags = [manifest.name, f"{self._environment.name}-newest"]
        self._registry.push_release(self._environment.manifests, manifest.to_json(), tags)
        return manifest

    def _say_what_is_not_built(self) -> None:
        for service, why in sorted(self._stack.left_out.items()):
            self._say(f"{service}: left out, {why}")
        for other in self._stack.ordered:
            if other.image_of == other.name:
                continue
            own = self._folder / f"Dockerfile.{other.name}"
            unused = f"; {own.name} is not built" if own.is_file() else ""
            self._say(
                f"{other.name}: runs the image of {other.image_of}, for both are "
                f"${{{other.image_variable}}}{unused}"
            )

    def _check_build_names(self) -> None:
        declared: set[str] = set()
        for service in self._stack.built():
            declared |= arguments(self._dockerfile(service))
        unknown = sorted(set(self._environment.build) - declared)
        if unknown:
            raise WrongUse(
                f"[build] names {', '.join(unknown)}, which no Dockerfile declares as ARG",
                state="untouched", todo="a value that reaches no image would be silently lost",
            )  # fmt: skip

    def _wanted(self, service: str, source: Source) -> Wanted:
        dockerfile, ignore = self._dockerfile(service), self._dockerignore(service)
        missing = [p for p in required(dockerfile) if not (source.root / p).exists()]
        if missing:
            raise WrongUse(
                f"the image of {service} needs {', '.join(missing)}, which the source lacks",
                where=source.origin, state="untouched",
                todo="is this the application's root, and are these files committed?",
            )  # fmt: skip
        bases = {
            n: self._base(n, default, source) for n, default in base_images(dockerfile).items()
        }
        declared = arguments(dockerfile)
        chosen = {n: v for n, v in self._environment.build.items() if n in declared}
        settings = {**chosen, **{n: _identity(image) for n, image in bases.items()}}
        paths = ignore.select(source.files)
        inputs = input_hash(
            {p: source.files[p] for p in paths}, [dockerfile, ignore.text], settings
        )
        repository = self._environment.repository_of(service)
        digest = self._registry.digest(repository, f"in-{inputs}")
        return Wanted(
            service, repository, inputs, digest, {**chosen, **bases}, source.last_commit(paths)
        )

    def _base(self, name: str, default: str, source: Source) -> str:
        if name == "PYTHON_IMAGE" and (source.root / "pyproject.toml").is_file():
            return f"python:{_python_version(source.root)}-slim"
        return default

    def _build(self, missing: list[Wanted], source: Source) -> None:
        images = [
            bake.Image(
                target=w.service,
                tag=f"{self._registry.host}/{w.repository}:in-{w.inputs}",
                arguments=w.arguments,
                labels={
                    "org.opencontainers.image.revision": w.revision,
                    "org.homeguru.inputs": w.inputs,
                    **_linked(source.origin),
                },
            )
            for w in missing
        ]
        login = (self._registry.host, *self._login) if self._login else None
        bake.bake(self._folder, images, source.root, self._say, login)

    def _image(self, wanted: Wanted, source: Source) -> ServiceImage:
        digest = wanted.digest or self._registry.digest(wanted.repository, f"in-{wanted.inputs}")
        assert digest is not None, "the build was pushed a moment ago"
        self._registry.tag(wanted.repository, digest, [source.label, "latest"])
        return ServiceImage(
            repository=wanted.repository, digest=digest, built=True, inputs=wanted.inputs
        )

    def _infrastructure(self) -> dict[str, ServiceImage]:
        """Digests, today, of the images that are not built here."""
        found = {}
        for service, default in self._stack.deploy.infrastructure.items():
            reference = self._environment.images.get(service, default)
            name = image_name.read(reference)
            digest = name.digest or self._digest_of(name)
            if digest is None:
                raise WrongUse(
                    f"no image {reference} for service {service}", state="untouched",
                    todo=f"correct [images] {service} in the environment",
                )  # fmt: skip
            found[service] = ServiceImage(repository=name.repository, digest=digest, built=False)
        return found

    def _digest_of(self, name: ImageName) -> str | None:
        if name.host == self._environment.pull_registry:
            return self._registry.digest(name.repository, name.tag)
        with Registry(name.host) as other:
            return other.digest(name.repository, name.tag)


def _linked(origin: str) -> dict[str, str]:
    """The label by which GHCR links a package to its repository, where that is known."""
    page = origin.removesuffix(".git") if origin.startswith("https://") else ""
    parts = [os.environ.get(n, "") for n in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")]
    if not page and all(parts):
        page = "/".join(parts)
    return {"org.opencontainers.image.source": page} if page else {}


def _python_version(root: Path) -> str:
    """`.python-version` when it names one, else the first that `requires-python` allows."""
    chosen = root / ".python-version"
    if chosen.is_file():
        parts = chosen.read_text().strip().split(".")
        if len(parts) >= 2 and all(p.isdigit() for p in parts[:2]):
            return ".".join(parts[:2])
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text()).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"not valid TOML: {error}", where="pyproject.toml of the source", state="untouched"
        ) from None
    try:
        allowed_versions = SpecifierSet(str(project.get("requires-python", "")))
    except InvalidSpecifier:
        return _PYTHONS[0]
    fitting = [v for v in _PYTHONS if allowed_versions.contains(f"{v}.99")]
    if not fitting:  # one exact version, such as ==3.12.4
        some = allowed_versions.filter(f"{v}.{n}" for v in _PYTHONS for n in range(99))
        fitting = [version.rpartition(".")[0] for version in some]
    return fitting[0] if fitting else _PYTHONS[0]


def _identity(image: str) -> str:
    """A base image's digest: of the local one, which the engine prefers, else the registry's."""
    shape = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}"
    local = run("docker", "image", "inspect", "-f", shape, image)
    if local.code == 0:
        return local.stdout.strip().rpartition("@")[2]
    name = image_name.read(image)
    if name.digest:
        return name.digest
    with Registry(name.host) as registry:
        return registry.digest(name.repository, name.tag) or image
