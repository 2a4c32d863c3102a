"""The manifest: what `publish` makes, and all that `deploy` needs to know of images."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from deployments.environment.schema import Environment
from deployments.errors import Refused, WrongUse
from deployments.fields import Frozen, first_problem, form
from deployments.image_name import REPOSITORY
from deployments.release.adopted_record import NAME, Adoption
from deployments.text import subject

Digest = Annotated[str, form(r"^sha256:[0-9a-f]{64}$", "a digest is sha256: and 64 of 0-9, a-f")]
Repository = Annotated[
    str, form(REPOSITORY, "a repository is of lower-case words, apart by / . _ -", 255)
]
ServiceName = Annotated[
    str, form(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "a service is of letters, digits and . _ -")
]
_LABEL = "(sha|src)-[0-9a-f]{12}"


class ServiceImage(Frozen):
    """One service's image. `repository` carries no host: push and pull names differ."""

    model_config = ConfigDict(extra="forbid")

    repository: Repository
    digest: Digest
    built: bool
    inputs: Annotated[str, form(r"^[0-9a-f]*$", "a hash is of 0-9 and a-f")] = ""
    """Hash of everything that the build read; empty for images built elsewhere."""


class Manifest(Frozen):
    """A release before it meets a host."""

    model_config = ConfigDict(extra="forbid")

    v: Literal[1] = 1
    name: Annotated[
        str,
        form(
            rf"^([a-z][a-z0-9-]*-{_LABEL}|{NAME})$",
            "a release's name reads production-sha-0123456789ab",
            80,
        ),
    ]
    source: str
    ref: str
    commit: Annotated[str, form(r"^[0-9a-f]*$", "a hash is of 0-9 and a-f")]
    author: str
    created: str
    """UTC, ISO 8601."""
    build_env: dict[str, str]
    services: dict[ServiceName, ServiceImage]
    adopted: Adoption | None = None
    """Of release 0: how it was deployed by hand. It was never published."""

    subject: Annotated[str, Field(exclude=True)] = ""
    """Of the commit, where that was published from Git: not in the JSON, which older tools read and
    which has no key for it. The registry has it as an annotation, the host in the release's plan."""

    _proof: str = PrivateAttr("")
    # Private: no text that somebody wrote can claim it.

    @model_validator(mode="after")
    def _only_release_0_was_adopted(self) -> Self:
        if (self.adopted is None) == (self.name == NAME):
            raise ValueError(f"a release named {NAME}, and no other, has the key `adopted`")
        return self

    @classmethod
    def nothing(cls) -> Manifest:
        """What ran before the first release."""
        return cls(
            name="none-src-000000000000", source="", ref="", commit="", author="", created="",
            build_env={}, services={},
        )  # fmt: skip

    @classmethod
    def of_adopted(cls, adoption: Adoption) -> Manifest:
        """What was deployed by hand, as release 0."""
        return cls(
            name=NAME, source=adoption.directory, ref="", commit="", author="", created="",
            build_env={}, services={}, adopted=adoption,
        )  # fmt: skip

    def described(self, message: str) -> Manifest:
        """The same release with its commit's subject, which anybody may have written."""
        return self.model_copy(update={"subject": subject(message)})

    def proven(self, proof: str) -> Manifest:
        """The same release with what is known of where it comes from, in words."""
        copy = self.model_copy()
        copy._proof = proof
        return copy

    @property
    def proof(self) -> str:
        """Who signed it, or why nobody can say; empty where no signature is asked for."""
        return self._proof

    def to_json(self) -> str:
        """Canonical JSON: the same manifest always has the same bytes."""
        without = None if self.adopted else {"adopted"}
        data = self.model_dump(exclude=without)
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_manifest(text: str, where: str) -> Manifest:
    """Read a manifest; raises WrongUse when `text` is not one."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise WrongUse(
            f"not a release manifest: {first_problem(error, 'the whole file')}",
            where=where,
            todo="use a file written by `homeguru publish --env NAME --output FILE`, or a manifest's name",
        ) from None


def nearest(wanted: str, names: list[str]) -> list[str]:
    """At most five names a person may have meant: similar ones first, else the newest."""
    return difflib.get_close_matches(wanted, names, n=5, cutoff=0.5) or names[-5:]


def without_number(release: str) -> str:
    """The manifest's name in a release id of the ledger, `12-prod-sha-0a1b2c3d4e5f`; any other text as it is."""
    return re.sub(r"^\d+-(?=[a-z])", "", release)


def of_environment(name: str, environment: str) -> bool:
    """Whether it is the name of a release published for an environment; exact: `prod` is no `prod-eu`."""
    return re.fullmatch(f"{re.escape(environment)}-{_LABEL}", name) is not None


def check_published(
    manifest: Manifest, environment: Environment, built: Collection[str], where: str = ""
) -> None:
    """Refuse a published release that is not this environment's own, by name or by repository.

    A manifest is text that others may have written: it chooses a digest, and not where that
    comes from. None of this is required of a host's own records: the environment may have
    moved to another repository since.
    """
    if not of_environment(manifest.name, environment.name):
        raise Refused(
            f"release {manifest.name} is none of environment {environment.name}", where=where,
            state="untouched",
            todo=f"publish the same commit for it: homeguru publish --env {environment.name}",
        )  # fmt: skip
    foreign = [
        f"{service} from {image.repository}, not {environment.repository_of(service)}"
        for service, image in sorted(manifest.services.items())
        if (image.built or service in built)
        and image.repository != environment.repository_of(service)
    ]
    if foreign:
        raise Refused(
            f"release {manifest.name} takes images from another place than environment "
            f"{environment.name} publishes to: {'; '.join(foreign)}", where=where,
            state="untouched",
            todo="is that manifest yours? `repository` of the environment says where images lie; "
            f"after a change of it publish again: homeguru publish --env {environment.name}",
        )  # fmt: skip


def check_record(manifest: Manifest, release: str, where: str) -> None:
    """Refuse a host's record whose manifest is another release's than its folder says."""
    if manifest.name != release.partition("-")[2]:
        raise Refused(
            f"the record of release {release} holds the manifest of {manifest.name}", where=where,
            state="unchanged", todo="it was edited by hand: deploy a published release instead",
        )  # fmt: skip


def check_build_env(manifest: Manifest, build: dict[str, str], environment: str) -> None:
    """Refuse a release that was built for other build variables.

    A Next.js bundle holds `NEXT_PUBLIC_*` as text: deploying it elsewhere would send
    people's browsers to the wrong server.
    """
    names = sorted(set(manifest.build_env) | set(build))
    different = [n for n in names if manifest.build_env.get(n) != build.get(n)]
    if different:
        differences = "; ".join(
            f"{n} is {manifest.build_env.get(n, 'not set')!r} in the release "
            f"and {build.get(n, 'not set')!r} in the environment"
            for n in different
        )
        raise Refused(
            f"release {manifest.name} was built for another environment: {differences}",
            state="untouched",
            todo=f"publish it for this one: homeguru publish --env {environment}",
        )
