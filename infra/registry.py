"""A registry's HTTP API: digests, tags, manifests as OCI artifacts.

Source: OCI distribution specification 1.1; token flow of Docker Registry v2.
"""

from __future__ import annotations

import hashlib
import json
import re
from types import TracebackType
from typing import Any

import httpx

from deployments.errors import HomeguruError, Refused, Unreachable
from deployments.image_name import HUB

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
_DOCKER_HUB = {HUB: "registry-1.docker.io"}
_BUSY = (429, 500, 502, 503, 504)


class Registry:
    """One registry host. `login` is (user, token); None means anonymous."""

    def __init__(
        self,
        host: str,
        login: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.host = host
        self._login = login
        self._tokens: dict[str, str] = {}
        scheme = "http" if re.match(r"(localhost|127\.|\[::1\])", host) else "https"
        self._client = httpx.Client(
            base_url=f"{scheme}://{_DOCKER_HUB.get(host, host)}",
            timeout=httpx.Timeout(30, connect=10),
            transport=transport or httpx.HTTPTransport(retries=2),
            follow_redirects=True,
        )

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._client.close()

    def ping(self) -> None:
        """Raise Unreachable when nothing that speaks the API answers."""
        answer = self._send("GET", "/v2/", scope="")
        if answer.status_code not in (200, 401, 403):
            raise self._no_registry(f"{answer.status_code} to GET /v2/")

    def digest(self, repository: str, reference: str) -> str | None:
        """Digest of a tag or digest, by HEAD; None when there is none."""
        answer = self._manifest("HEAD", repository, reference, push=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._check(answer, f"{repository}:{reference}", "read")
        if "Docker-Content-Digest" not in answer.headers:
            raise self._no_registry(f"without a digest of {repository}:{reference}")
        return str(answer.headers["Docker-Content-Digest"])

    def tag(self, repository: str, digest: str, tags: list[str]) -> None:
        """Give a digest more tags: PUT of the very same manifest bytes."""
        missing = [t for t in tags if self.digest(repository, t) != digest]
        if not missing:
            return
        source = self._manifest("GET", repository, digest, push=False)
        self._check(source, f"{repository}@{digest}", "read")
        kind = source.headers.get("Content-Type", MANIFEST_TYPE)
        for tag in missing:
            self._put_manifest(repository, tag, source.content, kind)

    def tags(self, repository: str) -> list[str]:
        """All tags; empty for an unknown repository."""
        found: list[str] = []
        path = f"/v2/{repository}/tags/list"
        while path:
            answer = self._send("GET", path, scope=f"repository:{repository}:pull")
            if answer.status_code == httpx.codes.NOT_FOUND:
                break
            self._check(answer, repository, "read")
            found += self._json(answer, f"tags of {repository}").get("tags") or []
            path = answer.links.get("next", {}).get("url", "")
        return found

    def push_release(self, repository: str, text: str, tags: list[str]) -> str:
        """Store a release manifest as an OCI artifact; returns its digest."""
        config = self._push_blob(repository, b"{}")
        layer = self._push_blob(repository, text.encode())
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "artifactType": RELEASE_TYPE,
                "config": {**config, "mediaType": "application/vnd.oci.empty.v1+json"},
                "layers": [{**layer, "mediaType": RELEASE_TYPE}],
            },
            sort_keys=True,
        ).encode()
        for tag in tags:
            self._put_manifest(repository, tag, body, MANIFEST_TYPE)
        return _sha256(body)

    def pull_release(self, repository: str, reference: str) -> str | None:
        """Text of a release manifest; None when there is none of that name."""
        answer = self._manifest("GET", repository, reference, push=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._check(answer, f"{repository}:{reference}", "read")
        layers = self._json(answer, f"{repository}:{reference}").get("layers")
        if not layers:
            raise self._no_registry(f"something else than a release for {repository}:{reference}")
        digest = layers[0]["digest"]
        scope = f"repository:{repository}:pull"
        blob = self._send("GET", f"/v2/{repository}/blobs/{digest}", scope=scope)
        self._check(blob, f"{repository}@{digest}", "read")
        return blob.text

    def _push_blob(self, repository: str, content: bytes) -> dict[str, object]:
        digest = _sha256(content)
        scope = f"repository:{repository}:pull,push"
        here = self._send("HEAD", f"/v2/{repository}/blobs/{digest}", scope=scope)
        if here.status_code != httpx.codes.OK:
            start = self._send("POST", f"/v2/{repository}/blobs/uploads/", scope=scope)
            self._check(start, repository, "push to")
            url = httpx.URL(start.headers["Location"]).copy_merge_params({"digest": digest})
            done = self._send("PUT", str(url), scope=scope, content=content)
            self._check(done, repository, "push to")
        return {"digest": digest, "size": len(content)}

    def _put_manifest(self, repository: str, tag: str, body: bytes, kind: str) -> None:
        answer = self._manifest("PUT", repository, tag, push=True, content=body, kind=kind)
        self._check(answer, f"{repository}:{tag}", "push to")

    def _manifest(
        self, method: str, repository: str, reference: str, *, push: bool,
        content: bytes | None = None, kind: str = "",
    ) -> httpx.Response:  # fmt: skip
        scope = f"repository:{repository}:{'pull,push' if push else 'pull'}"
        headers = {"Content-Type": kind} if kind else {"Accept": ACCEPT}
        path = f"/v2/{repository}/manifests/{reference}"
        return self._send(method, path, scope=scope, content=content, headers=headers)

    def _send(
        self, method: str, path: str, *, scope: str, content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:  # fmt: skip
        sent = dict(headers or {})
        if scope in self._tokens:
            sent["Authorization"] = self._tokens[scope]
        try:
            answer = self._client.request(method, path, content=content, headers=sent)
            if answer.status_code == httpx.codes.UNAUTHORIZED:  # no token yet, or it ran out
                self._tokens[scope] = self._authorize(answer, scope)
                sent["Authorization"] = self._tokens[scope]
                answer = self._client.request(method, path, content=content, headers=sent)
        except httpx.RequestError as error:
            said = str(error) if "CERTIFICATE" in str(error) else type(error).__name__
            raise Unreachable(
                f"registry {self.host} does not answer: {said}",
                state="untouched",
                todo="is it running, and its name right in push_registry?",
            ) from None
        return answer

    def _no_registry(self, said: str) -> Unreachable:
        return Unreachable(
            f"registry {self.host} answers {said}", state="untouched",
            todo="is its name right in push_registry, and is it a registry?",
        )  # fmt: skip

    def _json(self, answer: httpx.Response, what: str) -> dict[str, Any]:
        try:
            return dict(answer.json())
        except ValueError:
            raise self._no_registry(f"no JSON for {what}") from None

    def _authorize(self, refused: httpx.Response, scope: str) -> str:
        """Answer a 401: basic credentials, or a bearer token for the scope."""
        challenge = refused.headers.get("WWW-Authenticate", "")
        basic = httpx.BasicAuth(*self._login) if self._login else None
        if challenge.lower().startswith("basic"):
            if basic is None:
                return ""
            request = next(basic.auth_flow(httpx.Request("GET", self._client.base_url)))
            return str(request.headers["Authorization"])
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in fields:
            return ""
        params = {"scope": scope} if scope else {}
        if "service" in fields:
            params["service"] = fields["service"]
        answer = self._client.get(fields["realm"], params=params, auth=basic)
        if answer.status_code in _BUSY:
            raise self._busy(answer, "for a token")
        if not answer.is_success:
            return ""
        token = self._json(answer, "a token")
        return f"Bearer {token.get('token') or token.get('access_token')}"

    def _busy(self, answer: httpx.Response, asked: str) -> Unreachable:
        return Unreachable(
            f"registry {self.host} answered {answer.status_code} {asked}", state="untouched",
            todo="it is overloaded or limits how often it is asked: wait, and press again",
        )  # fmt: skip

    def _check(self, answer: httpx.Response, what: str, verb: str) -> None:
        if answer.is_success:
            return
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            who = f"user {self._login[0]}" if self._login else "anonymous access"
            raise Refused(
                f"registry {self.host} refuses {who} to {verb} {what} ({answer.status_code})",
                state="untouched",
                todo="check the token's scopes: write:packages to push, read:packages to pull",
            )
        if answer.status_code in _BUSY:
            raise self._busy(answer, f"to {verb} {what}")
        raise HomeguruError(
            f"registry {self.host} answered {answer.status_code} to {verb} {what}: "
            f"{answer.text[:200]}",
            state="untouched",
        )


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
