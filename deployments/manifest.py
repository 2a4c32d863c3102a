"""The manifest: what `publish` makes, and all that `deploy` needs to know of images."""

from __future__ import annotations

import difflib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from deployments.adopted import NAME, Adoption
from deployments.errors import Refused, WrongUse

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class ServiceImage(BaseModel):
    """One service's image. `repository` carries no host: push and pull names differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    digest: Digest
    built: bool
    inputs: str = ""
    """Hash of everything that the build read; empty for images built elsewhere."""


class Manifest(BaseModel):
    """A release before it meets a host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    name: Annotated[
        str, StringConstraints(pattern=rf"^([a-z][a-z0-9-]*-(sha|src)-[0-9a-f]{{12}}|{NAME})$")
    ]
    source: str
    ref: str
    commit: str
    author: str
    created: str
    """UTC, ISO 8601."""
    build_env: dict[str, str]
    services: dict[str, ServiceImage]
    adopted: Adoption | None = None
    """Of release 0: how it was deployed by hand. It was never published."""

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
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise WrongUse(
            f"not a release manifest: {key}: {first['msg']}",
            where=where,
            todo="use a file written by `homeguru publish --output FILE`, or a manifest's name",
        ) from None


def nearest(wanted: str, known: list[str]) -> list[str]:
    """At most five names a person may have meant: similar ones first, else the newest."""
    return difflib.get_close_matches(wanted, known, n=5, cutoff=0.5) or known[-5:]


def check_build_env(manifest: Manifest, build: dict[str, str], environment: str) -> None:
    """Refuse a release that was built for other build variables.

    A Next.js bundle holds `NEXT_PUBLIC_*` as text: deploying it elsewhere would send
    people's browsers to the wrong server.
    """
    names = sorted(set(manifest.build_env) | set(build))
    different = [n for n in names if manifest.build_env.get(n) != build.get(n)]
    if different:
        said = "; ".join(
            f"{n} is {manifest.build_env.get(n, 'not set')!r} in the release "
            f"and {build.get(n, 'not set')!r} in the environment"
            for n in different
        )
        raise Refused(
            f"release {manifest.name} was built for another environment: {said}",
            state="untouched",
            todo=f"publish it for this one: homeguru publish --env {environment}",
        )
