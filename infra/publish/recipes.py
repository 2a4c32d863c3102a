"""Finding how each image is built: beside the Compose file, packaged, or in the source itself."""

from __future__ import annotations

import posixpath

from deployments.build import layout
from deployments.build.dockerignore import Dockerignore
from deployments.build.recipe import Recipe
from deployments.compose.stack import Stack
from deployments.environment.documents import ANOTHER_APPLICATION
from deployments.environment.policy import OwnDockerfile
from deployments.errors import WrongUse
from infra.environment.locate import Located
from infra.publish.trees import Tree


class Recipes:
    """The Dockerfiles of one environment's services."""

    def __init__(self, located: Located, stack: Stack) -> None:
        self._environment = located.environment
        self._file = located.file
        self._folder = located.build_folder
        self._compose = located.compose_file
        self._stack = stack

    def check(self) -> None:
        """Raise WrongUse for what is wrong whatever the source holds."""
        self._check_bake_file()
        self._check_own()

    def read(self, tree: Tree) -> list[Recipe]:
        """A recipe for each image. Raises WrongUse naming everything that is missing for all."""
        self.check()
        services = self._stack.built()
        self._check_dockerfiles(
            [s for s in services if s not in self._environment.dockerfiles], tree
        )
        recipes = [self._recipe(service, tree) for service in services]
        if any(r.missing(self.paths(recipes, tree), self._environment.build) for r in recipes):
            everything = tree.paths(_everywhere)
            ini = tree.read("alembic.ini") or ""
            refusal = layout.refusal(recipes, everything, self._environment, self._stack, ini)
            if refusal:
                raise WrongUse(
                    refusal.what, where=str(tree.folder), state=refusal.state, todo=refusal.todo
                )
        return recipes

    def of_left_out(self, tree: Tree) -> list[str]:
        """Dockerfiles, as far as there are any, of services that this environment has not."""
        texts = []
        for service in self._stack.left_out:
            own = self._environment.dockerfiles.get(service)
            file = self._folder / f"Dockerfile.{service}"
            text = tree.read(own.file) if own else file.read_text() if file.is_file() else None
            texts.append(text or "")
        return texts

    @staticmethod
    def paths(recipes: list[Recipe], tree: Tree) -> list[str]:
        """The files of a source that the builds read, of all images together."""
        besides = {path for recipe in recipes for path in recipe.reads}
        paths = tree.paths(lambda folder: any(r.may_hold(folder) for r in recipes))
        return [p for p in paths if p in besides or any(r.lets_in(p) for r in recipes)]

    def _recipe(self, service: str, tree: Tree) -> Recipe:
        if own := self._environment.dockerfiles.get(service):
            return _of_source(service, own, tree)
        file = self._folder / f"Dockerfile.{service}"
        ignore = Dockerignore((self._folder / f"{file.name}.dockerignore").read_text())
        return Recipe(service, file.read_text(), ignore)

    def _check_bake_file(self) -> None:
        own = self._compose.parent
        built_by_bake = set(self._stack.built()) - self._environment.dockerfiles.keys()
        if built_by_bake and self._folder != own and any(own.glob("Dockerfile.*")):
            raise WrongUse(
                "there are Dockerfiles beside the Compose file, and no docker-bake.hcl that builds "
                "by them", where=str(own), state="untouched",
                todo="write one, a target for each service; docker/docker-bake.hcl shows the form. "
                "Or name each Dockerfile under [dockerfiles] of the environment",
            )  # fmt: skip

    def _check_own(self) -> None:
        """Names under `[dockerfiles]` that would build nothing."""
        named = self._environment.dockerfiles.keys() & self._stack.services.keys()
        for service in sorted(named - set(self._stack.built())):
            other = self._stack.services[service].image_of
            why = f"runs the image of {other}" if other != service else "is not built here"
            raise WrongUse(
                f"[dockerfiles] names {service}, which {why}", where=str(self._file),
                state="untouched",
                todo=f"name {other} there" if other != service
                else "take it out there, or out of x-deploy.infrastructure",
            )  # fmt: skip

    def _check_dockerfiles(self, services: list[str], tree: Tree) -> None:
        """Of services that are built by files beside the bake file."""
        packaged = self._folder != self._compose.parent
        with_build = [s for s in services if packaged and self._stack.build_of(s)]
        if with_build:
            raise WrongUse(
                f"the Compose file's `build` of {', '.join(with_build)} is not followed: the source "
                "may lie elsewhere than the file", where=str(self._compose), state="untouched",
                todo=f"write under [dockerfiles] of the environment: {self._lines(with_build, tree)}; "
                f"paths are relative to the source's root. {ANOTHER_APPLICATION} explains it",
            )  # fmt: skip
        lacking = [s for s in services if not (self._folder / f"Dockerfile.{s}").is_file()]
        if lacking:
            raise WrongUse(
                f"no Dockerfile for service {', '.join(lacking)}: there is no "
                f"{self._folder / f'Dockerfile.{lacking[0]}'}, and [dockerfiles] names none",
                state="untouched",
                todo=f"name the application's own under [dockerfiles]: {self._lines(lacking, tree)}; or "
                "write one beside the Compose file, with a docker-bake.hcl; or name the image under "
                f"x-deploy.infrastructure when it is built elsewhere. {ANOTHER_APPLICATION} explains each",
            )  # fmt: skip
        for service in services:
            file = self._folder / f"Dockerfile.{service}.dockerignore"
            if not file.is_file():
                raise WrongUse(
                    f"no {file.name} beside Dockerfile.{service}", where=str(self._folder),
                    state="untouched",
                    todo="it says which files the image is made of: `*`, then `!path` lines",
                )  # fmt: skip

    def _lines(self, services: list[str], tree: Tree) -> str:
        """What `[dockerfiles]` would say: as the Compose file builds, else what the source has."""
        dockerfiles = layout.dockerfiles(tree.paths(_everywhere))
        return ", ".join(f"`{self._line(service, dockerfiles)}`" for service in services)

    def _line(self, service: str, dockerfiles: list[str]) -> str:
        if build := self._stack.build_of(service):
            return layout.dockerfile_line(service, *build)
        names = [
            f for f in dockerfiles if service in f.lower().replace("dockerfile", "").split("/")
        ]
        return layout.dockerfile_line(service, (names or dockerfiles or ["Dockerfile"])[0])


def _everywhere(_folder: str) -> bool:
    return True


def _of_source(service: str, own: OwnDockerfile, tree: Tree) -> Recipe:
    text = tree.read(own.file)
    if text is None:
        dockerfiles = layout.dockerfiles(tree.paths(_everywhere))
        raise WrongUse(
            f"[dockerfiles] {service}: the source has no file {own.file}", where=str(tree.folder),
            state="untouched",
            todo=f"it has {', '.join(dockerfiles[:6])}" if dockerfiles
            else "it has no Dockerfile; is it committed?",
        )  # fmt: skip
    # BuildKit's order: the one beside the Dockerfile, else the one of the context.
    choices = (f"{own.file}.dockerignore", posixpath.normpath(f"{own.context}/.dockerignore"))
    reads = next((path for path in choices if tree.read(path) is not None), None)
    ignore = Dockerignore((tree.read(reads) if reads else None) or "")
    return Recipe(service, text, ignore, own, tuple(p for p in (own.file, reads) if p))
