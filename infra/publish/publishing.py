"""Publishing: from a source to images in a registry and one release manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from deployments.build import names as build_names
from deployments.build.dockerfile import arguments
from deployments.build.layout import MIGRATIONS
from deployments.build.recipe import Recipe
from deployments.compose.stack import Stack
from deployments.errors import HomeguruError, WrongUse
from deployments.release.manifest import Manifest, ServiceImage
from infra.environment.locate import Located
from infra.machine.threads import at_once
from infra.publish import bake
from infra.publish.manifests import signed_images
from infra.publish.not_built import NotBuilt
from infra.publish.recipes import Recipes
from infra.publish.signatures import Signer
from infra.publish.source import staged
from infra.publish.trees import Source, Tree
from infra.publish.wanted import Wanted, Wishes, python_image
from infra.registry.api import Registry, Stored

Say = Callable[[str], None]
_ENV_FILE = re.compile(r"(^|/)\.env(\.(?!example$|sample$|template$|dist$)[^/]*)?$")


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
        signed = signed_images(self._located, self._registry) if self._signer else None
        wishes = Wishes(self._environment, self._registry, source, python_image(tree), signed)
        wanted = at_once(wishes.of, recipes)
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
        others = NotBuilt(self._environment, self._stack, self._registry).images()
        services = {**built, **others}
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


def _linked(origin: str) -> dict[str, str]:
    """The label by which GHCR links a package to its repository, where that is known."""
    page = origin.removesuffix(".git") if origin.startswith("https://") else ""
    parts = [os.environ.get(n, "") for n in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")]
    if not page and all(parts):
        page = "/".join(parts)
    return {"org.opencontainers.image.source": page} if page else {}
