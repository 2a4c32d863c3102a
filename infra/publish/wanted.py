"""What is wanted of an image before anything is built: what decides it, and whether it is there already."""

from __future__ import annotations

from dataclasses import dataclass

from deployments import image_name
from deployments.build.dockerfile import arguments, base_images, images
from deployments.build.inputs import input_hash
from deployments.build.python_version import python_version
from deployments.build.recipe import Recipe
from deployments.environment.schema import Environment
from infra.machine.processes import run
from infra.publish.manifests import SignedImages
from infra.publish.trees import Source, Tree
from infra.registry.api import Registry


@dataclass(frozen=True)
class Wanted:
    """One service's image: where it goes, what decides it, and whether it is there."""

    recipe: Recipe
    repository: str
    inputs: str
    digest: str | None
    arguments: dict[str, str]
    revision: str

    @property
    def service(self) -> str:
        return self.recipe.service


@dataclass(frozen=True)
class Wishes:
    """What is wanted of each image of one source.

    python: base image of the application's Python, empty where it does not say which. signed: images of an
    earlier build that may be used again; None means any.
    """

    environment: Environment
    registry: Registry
    source: Source
    python: str
    signed: SignedImages | None

    def of(self, recipe: Recipe) -> Wanted:
        """One image's inputs, and its digest where an earlier build had the same."""
        chosen, bases, settings = self._settings(recipe)
        paths = recipe.select(self.source.files)
        texts = [recipe.dockerfile, recipe.ignore.text]
        inputs = input_hash({p: self.source.files[p] for p in paths}, texts, settings)
        repository = self.environment.repository_of(recipe.service)
        digest = self.registry.digest(repository, f"in-{inputs}")
        if self.signed is not None and (repository, inputs, digest) not in self.signed:
            digest = None
        revision = self.source.last_commit(sorted({*paths, *recipe.reads}))
        return Wanted(recipe, repository, inputs, digest, {**chosen, **bases}, revision)

    def _settings(self, recipe: Recipe) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Build arguments, base images that are given as such, and all that decides the image besides files."""
        text = recipe.dockerfile
        declared = arguments(text)
        chosen = {n: v for n, v in self.environment.build.items() if n in declared}
        if recipe.own:
            taken = images(text, chosen, recipe.own.target)
            others = {f"image {i}": _identity(i, self.registry) for i in taken}
            place = {"context": recipe.own.context, "target": recipe.own.target}
            return chosen, {}, {**chosen, **others, **place}
        bases = base_images(text)
        if self.python and "PYTHON_IMAGE" in bases:
            bases["PYTHON_IMAGE"] = self.python
        known = {n: _identity(image, self.registry) for n, image in bases.items()}
        return chosen, bases, {**chosen, **known}


def python_image(tree: Tree) -> str:
    """The base image of an application's Python; empty where it does not say which."""
    project = tree.read("pyproject.toml")
    chosen = tree.read(".python-version") or ""
    return "" if project is None else f"python:{python_version(chosen, project)}-slim"


def _identity(image: str, own: Registry) -> str:
    """A base image's digest: of the local one, which the engine prefers, else the registry's.

    own: the environment's registry, which its login is for; any other one is asked without.
    """
    shape = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}"
    local = run("docker", "image", "inspect", "-f", shape, image)
    if local.code == 0:
        return local.stdout.strip().rpartition("@")[2]
    name = image_name.read(image)
    if name.digest:
        return name.digest
    if name.host == own.host:
        return own.digest(name.repository, name.tag) or image
    with Registry(name.host, named="the base image of [build]") as registry:
        return registry.digest(name.repository, name.tag) or image
