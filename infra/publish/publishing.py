"""Publishing: from a source to images in a registry and one release manifest."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from deployments import image_name
from deployments.build import names as build_names
from deployments.build.dockerfile import arguments, base_images, images
from deployments.build.inputs import input_hash
from deployments.build.layout import MIGRATIONS
from deployments.build.recipe import Recipe
from deployments.compose.stack import Stack
from deployments.errors import HomeguruError, WrongUse
from deployments.image_name import ImageName
from deployments.release.manifest import Manifest, ServiceImage
from infra.environment.locate import Located
from infra.machine.processes import run
from infra.machine.threads import at_once
from infra.publish import bake
from infra.publish.manifests import SignedImages, signed_images
from infra.publish.recipes import Recipes
from infra.publish.signatures import Signer
from infra.publish.source import staged
from infra.publish.trees import Source, Tree
from infra.registry.api import Registry, Stored

Say = Callable[[str], None]
_PYTHONS = ("3.11", "3.12", "3.13", "3.10")
_ENV_FILE = re.compile(r"(^|/)\.env(\.(?!example$|sample$|template$|dist$)[^/]*)?$")


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


class Publisher:
    """Publishes a source for one environment."""

    def __init__(
        self, located: Located, stack: Stack, registry: Registry,
        login: tuple[str, str] | None, say: Say,
        pushed: Callable[[list[str]], None] | None = None, signer: Signer | None = None,
    ) -> None:  # fmt: skip
        """`pushed` is told the references of images, as a server pulls them, once they are in the registry.

        signer: who signs the release; without one it is not signed.
        """
        self._located = located
        self._environment = located.environment
        self._file = located.file
        self._build_folder = located.build_folder
        self._recipes = Recipes(located, stack)
        self._stack = stack
        self._registry = registry
        self._login = login
        self._say = say
        self._pushed = pushed
        self._signer = signer
        self._told: set[str] = set()

    def check(self) -> None:
        """Raise WrongUse for what is wrong whatever the source holds."""
        self._recipes.check()

    def publish(self, tree: Tree, origin: str = "") -> Manifest:
        """Build what changed, push it, tag everything, store the manifest.

        origin: where a clone came from, for the manifest.
        """
        recipes = self._recipes.read(tree)
        self._check_build_names(recipes, tree)
        self._say_what_is_not_built()
        paths = self._recipes.paths(recipes, tree)
        self._say_what_may_be_secret(recipes, paths)
        self._registry.ping()
        source = tree.look(paths)
        return self._published(recipes, replace(source, origin=origin or source.origin), tree)

    def _published(self, recipes: list[Recipe], source: Source, tree: Tree) -> Manifest:
        python = _python_image(tree)
        signed = signed_images(self._located, self._registry) if self._signer else None
        wanted = at_once(lambda recipe: self._wanted(recipe, source, python, signed), recipes)
        missing = [w for w in wanted if w.digest is None]
        for image in wanted:
            state = "builds" if image.digest is None else "unchanged"
            self._say(f"{image.service}: {state}, inputs {image.inputs}")
        self._are_there([(w, w.digest) for w in wanted])
        pushed: dict[str, str] = {}
        if missing:
            with staged(tree, source) as root:
                pushed = self._build(missing, source, root)
        tagged = at_once(lambda w: self._image(w, source, pushed.get(w.service)), wanted)
        # One whose push was not seen to end, or whose digest was not learned then.
        self._are_there([(w, image.digest) for w, image in zip(wanted, tagged, strict=True)])
        built = {w.service: image for w, image in zip(wanted, tagged, strict=True)}
        services = {**built, **self._infrastructure()}
        manifest = Manifest(
            name=f"{self._environment.name}-{source.label}",
            source=source.origin, ref=source.ref, commit=source.commit, author=source.author,
            created=source.created, build_env=dict(sorted(self._environment.build.items())),
            services=dict(sorted(services.items())),
        )  # fmt: skip
        manifest = manifest.described(source.subject)
        tags = [manifest.name, f"{self._environment.name}-newest"]
        stored = Stored(manifest.to_json(), manifest.subject)
        self._registry.push_release(
            self._environment.manifests, stored, tags, self._signing(manifest.name)
        )
        return manifest

    def _signing(self, release: str) -> Callable[[str], None] | None:
        """Signs a release by the digest of its artifact; None where nobody does."""
        signer = self._signer
        if signer is None:
            return None

        def sign(digest: str) -> None:
            signer.sign(self._registry, release, digest)
            self._say(f"signed {release}, for {signer.key}")

        return sign

    def _are_there(self, images: list[tuple[Wanted, str | None]]) -> None:
        """Each image is told of once."""
        host = self._environment.pull_registry
        references = [f"{host}/{w.repository}@{digest}" for w, digest in images if digest]
        new = [reference for reference in references if reference not in self._told]
        if self._pushed and new:
            self._told.update(new)
            self._pushed(new)

    def _say_what_is_not_built(self) -> None:
        for service, why in sorted(self._stack.left_out.items()):
            self._say(f"{service}: left out, {why}")
        for other in self._stack.ordered:
            if other.image_of == other.name:
                continue
            own = self._build_folder / f"Dockerfile.{other.name}"
            unused = f"; {own.name} is not built" if own.is_file() else ""
            self._say(
                f"{other.name}: runs the image of {other.image_of}, for both are "
                f"${{{other.image_variable}}}{unused}"
            )

    def _say_what_may_be_secret(self, recipes: list[Recipe], paths: list[str]) -> None:
        """Our own Dockerfiles leave out every `.env`; others need not."""
        for recipe in recipes:
            names = [p for p in paths if recipe.own and _ENV_FILE.search(p) and recipe.lets_in(p)]
            if names:
                self._say(
                    f"{recipe.service}: {', '.join(names[:3])} may become part of its image; "
                    "a line of its .dockerignore leaves it out"
                )

    def _check_build_names(self, recipes: list[Recipe], tree: Tree) -> None:
        build = self._environment.build
        texts = [*(r.dockerfile for r in recipes), *self._recipes.of_left_out(tree)]
        declared = {name for text in texts for name in arguments(text)}
        if refusal := build_names.refusal(self._environment, self._stack, declared):
            refusal.where = str(self._file)
            raise refusal
        migrate = self._stack.deploy.migrate
        if migrate and build.get(MIGRATIONS) == "":
            raise WrongUse(
                f"{MIGRATIONS} under [build] is empty, and {migrate.service} migrates in the image of "
                f"{migrate.image_of}", state="untouched",
                todo=f'add "{migrate.service}" to leave_out under [services], or name the folder',
            )  # fmt: skip

    def _wanted(
        self, recipe: Recipe, source: Source, python: str, signed: SignedImages | None
    ) -> Wanted:
        """signed: images of an earlier build that may be used again; None means any."""
        text = recipe.dockerfile
        declared = arguments(text)
        chosen = {n: v for n, v in self._environment.build.items() if n in declared}
        if recipe.own:
            bases: dict[str, str] = {}
            others = {f"image {i}": _identity(i) for i in images(text, chosen)}
            place = recipe.own.context, recipe.own.target
            settings = {**chosen, **others, "context": place[0], "target": place[1]}
        else:
            bases = base_images(text)
            if python and "PYTHON_IMAGE" in bases:
                bases["PYTHON_IMAGE"] = python
            settings = {**chosen, **{n: _identity(image) for n, image in bases.items()}}
        paths = recipe.select(source.files)
        inputs = input_hash(
            {p: source.files[p] for p in paths}, [text, recipe.ignore.text], settings
        )
        repository = self._environment.repository_of(recipe.service)
        digest = self._registry.digest(repository, f"in-{inputs}")
        if signed is not None and (repository, inputs, digest) not in signed:
            digest = None
        revision = source.last_commit(sorted({*paths, *recipe.reads}))
        return Wanted(recipe, repository, inputs, digest, {**chosen, **bases}, revision)

    def _build(self, missing: list[Wanted], source: Source, root: Path) -> dict[str, str]:
        """Build and push; digests by service, where the builder tells them."""
        images = [
            bake.Image(
                service=w.service,
                tag=f"{self._registry.host}/{w.repository}:in-{w.inputs}",
                arguments=w.arguments,
                labels={
                    "org.opencontainers.image.revision": w.revision,
                    "org.homeguru.inputs": w.inputs,
                    **_linked(source.origin),
                },
                own=w.recipe.own,
            )
            for w in missing
        ]
        login = (self._registry.host, *self._login) if self._login else None
        of = {w.service: w for w in missing}

        def pushed(image: bake.Image) -> None:
            # A registry that does not answer for once ends no build.
            with suppress(HomeguruError):
                self._are_there([(of[image.service], self._digest_now(of[image.service]))])

        # Each has a bake file of its own, so two builds; BuildKit shares what they have in common.
        groups = [[i for i in images if bool(i.own) is own] for own in (False, True)]
        digests = at_once(
            lambda some: bake.bake(
                self._build_folder, some, root, self._say, login, pushed if self._pushed else None
            ),
            filter(None, groups),
        )
        return {service: digest for found in digests for service, digest in found.items()}

    def _image(self, wanted: Wanted, source: Source, pushed: str | None) -> ServiceImage:
        digest = wanted.digest or pushed or self._digest_now(wanted)
        assert digest is not None, "the build was pushed a moment ago"
        self._registry.tag(wanted.repository, digest, [source.label, "latest"])
        return ServiceImage(
            repository=wanted.repository, digest=digest, built=True, inputs=wanted.inputs
        )

    def _digest_now(self, wanted: Wanted) -> str | None:
        return self._registry.digest(wanted.repository, f"in-{wanted.inputs}")

    def _infrastructure(self) -> dict[str, ServiceImage]:
        """Digests, today, of the images that are not built here."""
        services = self._stack.deploy.infrastructure
        found = at_once(lambda service: self._not_built(service, services[service]), services)
        return dict(zip(services, found, strict=True))

    def _not_built(self, service: str, default: str) -> ServiceImage:
        reference = self._environment.images.get(service, default)
        name = image_name.read(reference)
        digest = name.digest or self._digest_of(name)
        if digest is None:
            raise WrongUse(
                f"no image {reference} for service {service}", state="untouched",
                todo=f"correct [images] {service} in the environment",
            )  # fmt: skip
        return ServiceImage(repository=name.repository, digest=digest, built=False)

    def _digest_of(self, name: ImageName) -> str | None:
        if name.host == self._environment.pull_registry:
            return self._registry.digest(name.repository, name.tag)
        with Registry(name.host, named="[images] of the environment, or x-deploy") as registry:
            return registry.digest(name.repository, name.tag)


def _linked(origin: str) -> dict[str, str]:
    """The label by which GHCR links a package to its repository, where that is known."""
    page = origin.removesuffix(".git") if origin.startswith("https://") else ""
    parts = [os.environ.get(n, "") for n in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")]
    if not page and all(parts):
        page = "/".join(parts)
    return {"org.opencontainers.image.source": page} if page else {}


def _python_image(tree: Tree) -> str:
    """The base image of an application's Python; empty where it does not say which."""
    project = tree.read("pyproject.toml")
    chosen = tree.read(".python-version") or ""
    return "" if project is None else f"python:{_python_version(chosen, project)}-slim"


def _python_version(chosen: str, pyproject: str) -> str:
    """What `.python-version` says when it names one, else the first that `requires-python` allows."""
    parts = chosen.strip().split(".")
    if len(parts) >= 2 and all(p.isdigit() for p in parts[:2]):
        return ".".join(parts[:2])
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise WrongUse(
            f"not valid TOML: {error}",
            where="pyproject.toml of the source",
            state="untouched",
            todo="correct that file in the source, commit, publish again",
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
    with Registry(name.host, named="the base image of [build]") as registry:
        return registry.digest(name.repository, name.tag) or image
