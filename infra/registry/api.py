"""A registry's HTTP API: digests, tags, manifests as OCI artifacts.

Source: OCI distribution specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

from deployments.errors import Refused, WrongUse
from deployments.image_name import REPOSITORY
from infra.registry.connection import RegistryConnection

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
RELEASE_TYPE = "application/vnd.homeguru.release.v1+json"
DESCRIPTION = "org.opencontainers.image.description"
"""Annotation of the commit's subject: a key of the manifest itself would be refused by older tools."""
_PAGES = 1000
"""Of tags, after which no more are asked for: a registry may always name one more."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REPOSITORY = re.compile(REPOSITORY.removesuffix("$"))


@dataclass(frozen=True)
class Stored:
    """A release manifest's text, and the commit's subject beside it.

    digest: of the artifact that holds both, as its bytes were read; empty for one to be stored.
    """

    text: str
    subject: str = ""
    digest: str = field(default="", compare=False)


class Registry:
    """One registry host. `login` is (user, token); None means anonymous."""

    def __init__(
        self,
        host: str,
        login: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        named: str = "push_registry",
    ) -> None:
        """named: the key of the environment, or what else, that says this host."""
        self.host, self.login = host, login
        self._connection = RegistryConnection(host, login, transport, named)

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._connection.close()

    def ping(self) -> None:
        """Raise Unreachable when nothing that speaks the API answers."""
        answer = self._connection.send("GET", "/v2/", scope="")
        if answer.status_code not in (200, 401, 403):
            raise self._connection.no_registry(f"{answer.status_code} to GET /v2/")

    def digest(self, repository: str, reference: str) -> str | None:
        """Digest of a tag or digest, by HEAD; None when there is none."""
        answer = self._manifest("HEAD", repository, reference, push=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._connection.check(answer, f"{repository}:{reference}", "read")
        named = _named(answer)
        if not _DIGEST.fullmatch(named):
            raise self._connection.no_registry(f"without a digest of {repository}:{reference}")
        return named

    def tag(self, repository: str, digest: str, tags: list[str]) -> None:
        """Give a digest more tags: PUT of the very same manifest bytes."""
        missing = [t for t in tags if self.digest(repository, t) != digest]
        if not missing:
            return
        source = self._manifest("GET", repository, digest, push=False)
        self._connection.check(source, f"{repository}@{digest}", "read")
        self._must_hash(source, digest, repository)
        kind = source.headers.get("Content-Type", MANIFEST_TYPE)
        for tag in missing:
            self._put_manifest(repository, tag, source.content, kind)

    def tags(self, repository: str) -> list[str]:
        """All tags; empty for an unknown repository."""
        tags: list[str] = []
        asked: set[str] = set()
        path = f"{_path(repository)}/tags/list"
        while path and path not in asked and len(asked) < _PAGES:
            asked.add(path)
            answer = self._connection.send("GET", path, scope=f"repository:{repository}:pull")
            if answer.status_code == httpx.codes.NOT_FOUND:
                break
            self._connection.check(answer, repository, "read")
            page = self._connection.json(answer, f"tags of {repository}").get("tags") or []
            if not isinstance(page, list):
                raise self._connection.no_registry(f"no list of tags of {repository}")
            tags += [tag for tag in page if isinstance(tag, str)]
            path = answer.links.get("next", {}).get("url", "")
        return tags

    def manifest(self, repository: str, reference: str) -> dict[str, Any]:
        """An image's manifest; empty where there is none."""
        answer = self._manifest("GET", repository, reference, push=False)
        return (
            self._connection.json(answer, f"{repository}:{reference}") if answer.is_success else {}
        )

    @property
    def is_unencrypted(self) -> bool:
        """Whether it is spoken to by plain HTTP, as on the loopback interface."""
        return self._connection.is_unencrypted

    def push_release(
        self, repository: str, release: Stored, tags: list[str],
        sign: Callable[[str], None] | None = None,
    ) -> str:  # fmt: skip
        """Store a release manifest as an OCI artifact; returns its digest.

        sign: called with the digest while no tag names it yet: nobody finds a release unsigned.
        """
        config = self._push_blob(repository, b"{}")
        layer = self._push_blob(repository, release.text.encode())
        about = {"annotations": {DESCRIPTION: release.subject}} if release.subject else {}
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "artifactType": RELEASE_TYPE,
                "config": {**config, "mediaType": "application/vnd.oci.empty.v1+json"},
                "layers": [{**layer, "mediaType": RELEASE_TYPE}],
                **about,
            },
            sort_keys=True,
        ).encode()
        if sign:
            self._put_manifest(repository, _sha256(body), body, MANIFEST_TYPE)
            sign(_sha256(body))
        for tag in tags:
            self._put_manifest(repository, tag, body, MANIFEST_TYPE)
        return _sha256(body)

    def pull_release(self, repository: str, reference: str) -> Stored | None:
        """A release manifest; None when there is none of that name."""
        answer = self._manifest("GET", repository, reference, push=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._connection.check(answer, f"{repository}:{reference}", "read")
        artifact = self._connection.json(answer, f"{repository}:{reference}")
        named = reference if _DIGEST.fullmatch(reference) else _named(answer)
        if named:
            self._must_hash(answer, named, repository)
        digest = self._layer(artifact)
        if not digest:
            raise self._connection.no_registry(
                f"something else than a release for {repository}:{reference}"
            )
        scope = f"repository:{repository}:pull"
        blob = self._connection.send("GET", f"{_path(repository)}/blobs/{digest}", scope=scope)
        self._connection.check(blob, f"{repository}@{digest}", "read")
        self._must_hash(blob, digest, repository)
        notes = artifact.get("annotations")
        subject = notes.get(DESCRIPTION) if isinstance(notes, dict) else None
        return Stored(blob.text, str(subject or ""), _sha256(answer.content))

    @staticmethod
    def _layer(artifact: dict[str, Any]) -> str:
        """Digest of a release's text; empty for an artifact that is no release."""
        layers = artifact.get("layers")
        first = layers[0] if isinstance(layers, list) and layers else None
        if not isinstance(first, dict) or first.get("mediaType") != RELEASE_TYPE:
            return ""
        digest = str(first.get("digest"))
        return digest if _DIGEST.fullmatch(digest) else ""

    def _must_hash(self, answer: httpx.Response, named: str, repository: str) -> None:
        """Raise Refused when the bytes are others than the digest that names them says."""
        if named != _sha256(answer.content):
            raise Refused(
                f"registry {self.host} answers other bytes than {named} names",
                where=f"{self.host}/{repository}", state="untouched",
                todo="publish the release again; if it stays so, somebody changed what lies there",
            )  # fmt: skip

    def _push_blob(self, repository: str, content: bytes) -> dict[str, object]:
        digest = _sha256(content)
        scope = f"repository:{repository}:pull,push"
        existing = self._connection.send("HEAD", f"{_path(repository)}/blobs/{digest}", scope=scope)
        if existing.status_code != httpx.codes.OK:
            start = self._connection.send(
                "POST", f"{_path(repository)}/blobs/uploads/", scope=scope
            )
            self._connection.check(start, repository, "push to")
            location = start.headers.get("Location", "")
            if not location:
                raise self._connection.no_registry(f"no place for an upload to {repository}")
            url = httpx.URL(location).copy_merge_params({"digest": digest})
            upload = self._connection.send("PUT", str(url), scope=scope, content=content)
            self._connection.check(upload, repository, "push to")
        return {"digest": digest, "size": len(content)}

    def _put_manifest(self, repository: str, tag: str, body: bytes, kind: str) -> None:
        answer = self._manifest("PUT", repository, tag, push=True, content=body, kind=kind)
        self._connection.check(answer, f"{repository}:{tag}", "push to")

    def _manifest(
        self, method: str, repository: str, reference: str, *, push: bool,
        content: bytes | None = None, kind: str = "",
    ) -> httpx.Response:  # fmt: skip
        scope = f"repository:{repository}:{'pull,push' if push else 'pull'}"
        headers = {"Content-Type": kind} if kind else {"Accept": ACCEPT}
        if not (_TAG.fullmatch(reference) or _DIGEST.fullmatch(reference)):
            raise WrongUse(
                f"{reference!r} is neither a tag nor a digest",
                where=repository,
                state="untouched",
                todo="name a release as `homeguru history --env NAME` shows it",
            )
        path = f"{_path(repository)}/manifests/{reference}"
        return self._connection.send(method, path, scope=scope, content=content, headers=headers)


def _named(answer: httpx.Response) -> str:
    """The digest that a registry names for what it sends; a few name none."""
    return str(answer.headers.get("Docker-Content-Digest", ""))


def _path(repository: str) -> str:
    """The address of a repository; raises WrongUse for a text that would lead elsewhere."""
    if not _REPOSITORY.fullmatch(repository):
        raise WrongUse(
            f"no registry has a repository {repository!r}", state="untouched",
            todo="lower-case words, apart by / . _ or -; does a service's name have capitals?",
        )  # fmt: skip
    return f"/v2/{repository}"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
