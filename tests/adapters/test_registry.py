"""The registry's HTTP API against a stand-in that keeps what it is given."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field

import httpx
import pytest

from deployments.errors import HomeguruError, Refused, Unreachable, WrongUse
from infra.demo.control_plane import REGISTRY_NAME
from infra.registry.api import DESCRIPTION, MANIFEST_TYPE, RELEASE_TYPE, Registry, Stored

INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
BODY = b'{ "schemaVersion": 2,\n "oddly": "spaced" }'


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class StandIn:
    """A registry in memory. `refuse` answers before anything else does."""

    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    refuse: object = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        refused = self.refuse(request) if self.refuse else None
        return refused or self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        if path == "/v2/":
            return httpx.Response(200)
        if path.endswith("/tags/list"):
            tags = [k for k in self.manifests if not k.startswith("sha256:")]
            return httpx.Response(200, json={"tags": tags}) if tags else httpx.Response(404)
        kind, _, name = path.rpartition("/")
        if kind.endswith("/manifests"):
            return self._manifest(method, name, request)
        if method == "POST":
            return httpx.Response(202, headers={"Location": f"{path}one?state=x"})
        if method == "PUT":
            assert request.url.params["state"] == "x"
            digest = request.url.params["digest"]
            assert _digest(request.content) == digest
            self.blobs[digest] = request.content
            return httpx.Response(201)
        if name not in self.blobs:
            return httpx.Response(404)
        return httpx.Response(200, content=self.blobs[name] if method == "GET" else b"")

    def _manifest(self, method: str, name: str, request: httpx.Request) -> httpx.Response:
        if method == "PUT":
            entry = (request.content, request.headers["Content-Type"])
            self.manifests[name] = self.manifests[_digest(request.content)] = entry
            return httpx.Response(201)
        if name not in self.manifests:
            return httpx.Response(404)
        content, kind = self.manifests[name]
        headers = {"Content-Type": kind, "Docker-Content-Digest": _digest(content)}
        return httpx.Response(200, headers=headers, content=content if method == "GET" else b"")

    def put(self) -> list[str]:
        return [r.url.path.rpartition("/")[2] for r in self.requests if r.method == "PUT"]


@pytest.fixture
def server() -> StandIn:
    return StandIn()


def _registry(server, host="localhost:5000", login=None) -> Registry:
    return Registry(host, login, httpx.MockTransport(server))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("localhost:5000", "http://localhost:5000/v2/"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/"),
        ("[::1]:5000", "http://[::1]:5000/v2/"),
        ("localhost.example.org", "https://localhost.example.org/v2/"),
        ("localhost5000", "https://localhost5000/v2/"),
        ("registry.localhost:5000", "http://registry.localhost:5000/v2/"),
        ("registrylocalhost:5000", "https://registrylocalhost:5000/v2/"),
        ("localhost-registry.test:5000", "https://localhost-registry.test:5000/v2/"),
        ("127.example.org:5000", "https://127.example.org:5000/v2/"),
        ("127.0.0.1.example.org", "https://127.0.0.1.example.org/v2/"),
        ("ghcr.io", "https://ghcr.io/v2/"),
        ("docker.io", "https://registry-1.docker.io/v2/"),
    ],
)
def test_where_a_registry_is_asked(server, host, address):
    _registry(server, host).ping()
    assert str(server.requests[0].url) == address


def test_a_registry_that_does_not_answer():
    def fail(request):
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable) as caught:
        _registry(fail).ping()
    assert caught.value.what == "registry localhost:5000 does not answer: ConnectError"
    assert caught.value.state == "untouched"


def test_the_digest_of_a_tag(server):
    server.manifests["latest"] = (BODY, INDEX)
    with _registry(server) as registry:
        assert registry.digest("acme/api", "latest") == _digest(BODY)
        assert registry.digest("acme/api", "other") is None
    assert {r.method for r in server.requests} == {"HEAD"}
    assert INDEX in server.requests[0].headers["Accept"]


def test_a_tag_is_a_put_of_the_same_bytes(server):
    server.manifests[_digest(BODY)] = (BODY, INDEX)
    _registry(server).tag("acme/api", _digest(BODY), ["sha-1", "latest"])
    assert server.put() == ["sha-1", "latest"]
    assert server.manifests["latest"] == (BODY, INDEX)


def test_tags_that_are_right_already_are_left_alone(server):
    server.manifests = {
        _digest(BODY): (BODY, INDEX),
        "latest": (BODY, INDEX),
        "old": (b"{}", INDEX),
    }
    _registry(server).tag("acme/api", _digest(BODY), ["latest"])
    assert server.put() == []
    _registry(server).tag("acme/api", _digest(BODY), ["latest", "old"])
    assert server.put() == ["old"]


def test_a_release_is_pushed_and_pulled(server):
    registry = _registry(server)
    text = '{"v":1,"author":"Жанна"}'
    digest = registry.push_release("acme/release", Stored(text), ["prod-sha-1", "prod-newest"])
    assert registry.pull_release("acme/release", "prod-newest") == Stored(text)
    assert registry.pull_release("acme/release", digest) == Stored(text)
    body, kind = server.manifests["prod-sha-1"]
    artifact = json.loads(body)
    assert kind == artifact["mediaType"] == MANIFEST_TYPE
    assert artifact["artifactType"] == artifact["layers"][0]["mediaType"] == RELEASE_TYPE
    assert artifact["layers"][0] == {
        "digest": _digest(text.encode()), "mediaType": RELEASE_TYPE, "size": len(text.encode()),
    }  # fmt: skip
    assert artifact["config"]["digest"] == _digest(b"{}")
    assert sorted(registry.tags("acme/release")) == ["prod-newest", "prod-sha-1"]


def test_the_subject_is_an_annotation(server):
    registry = _registry(server)
    registry.push_release("acme/release", Stored("{}", "Fix the login"), ["a"])
    assert registry.pull_release("acme/release", "a") == Stored("{}", "Fix the login")
    artifact = json.loads(server.manifests["a"][0])
    assert artifact["annotations"] == {DESCRIPTION: "Fix the login"}
    registry.push_release("acme/release", Stored("{}"), ["b"])
    assert "annotations" not in json.loads(server.manifests["b"][0])


@pytest.mark.parametrize(
    "annotations", [None, [], "x", {}, {"org.opencontainers.image.title": "x"}]
)
def test_a_release_with_other_annotations_has_no_subject(server, annotations):
    registry = _registry(server)
    registry.push_release("acme/release", Stored("{}"), ["a"])
    artifact = {**json.loads(server.manifests["a"][0]), "annotations": annotations}
    server.manifests["a"] = (json.dumps(artifact).encode(), MANIFEST_TYPE)
    assert registry.pull_release("acme/release", "a") == Stored("{}")


def test_the_same_release_has_the_same_digest_and_is_uploaded_once(server):
    registry = _registry(server)
    once = registry.push_release("acme/release", Stored("{}"), ["a"])
    uploads = len([r for r in server.requests if r.method == "POST"])
    assert registry.push_release("acme/release", Stored("{}"), ["b"]) == once
    assert len([r for r in server.requests if r.method == "POST"]) == uploads


def test_a_release_of_no_such_name(server):
    assert _registry(server).pull_release("acme/release", "none") is None
    assert _registry(server).tags("acme/release") == []


# -- access -------------------------------------------------------------------------

REALM = "https://auth.example.org/token"


@dataclass
class TokenAccess:
    """Access by bearer token, one for each scope; each is good for `uses` requests."""

    login: str = ""
    uses: int = 1000
    given: dict[str, int] = field(default_factory=dict)
    scopes: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        if str(request.url).startswith(REALM):
            return self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.given.get(token, 0) > 0:
            self.given[token] -= 1
            return None
        challenge = f'Bearer realm="{REALM}",service="registry.example.org"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    def _token(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["service"] == "registry.example.org"
        self.scopes.append(request.url.params.get("scope", ""))
        if self.login:
            expected = "Basic " + base64.b64encode(self.login.encode()).decode()
            if request.headers.get("Authorization") != expected:
                return httpx.Response(401)
        token = f"token-{len(self.scopes)}"
        self.given[token] = self.uses
        return httpx.Response(200, json={"token": token})


def test_an_anonymous_token_is_fetched_once_for_a_scope(server):
    access = server.refuse = TokenAccess()
    server.manifests["latest"] = (BODY, INDEX)
    registry = _registry(server, "registry.example.org")
    for _ in range(3):
        assert registry.digest("acme/api", "latest") == _digest(BODY)
    assert access.scopes == ["repository:acme/api:pull"]


def test_a_push_asks_for_a_token_that_may_push(server):
    access = server.refuse = TokenAccess(login="robot:t0ken")
    registry = _registry(server, "registry.example.org", ("robot", "t0ken"))
    registry.push_release("acme/release", Stored("{}"), ["a"])
    assert set(access.scopes) == {"repository:acme/release:pull,push"}
    assert "a" in server.manifests


def test_a_token_that_ran_out_is_fetched_anew(server):
    """A build may take longer than a token lives."""
    access = server.refuse = TokenAccess(uses=1)
    server.manifests["latest"] = (BODY, INDEX)
    registry = _registry(server, "registry.example.org")
    assert registry.digest("acme/api", "latest") == _digest(BODY)
    assert registry.digest("acme/api", "latest") == _digest(BODY)
    assert len(access.scopes) == 2


def test_a_token_server_may_call_it_access_token(server):
    class Other(TokenAccess):
        def _token(self, request):
            return httpx.Response(
                200, json={"access_token": super()._token(request).json()["token"]}
            )

    server.refuse = Other()
    server.manifests["latest"] = (BODY, INDEX)
    assert _registry(server, "registry.example.org").digest("acme/api", "latest")


def test_a_login_by_password(server):
    def basic(request):
        if request.headers.get("Authorization") == "Basic " + base64.b64encode(b"u:p").decode():
            return None
        return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    server.refuse = basic
    server.manifests["latest"] = (BODY, INDEX)
    assert _registry(server, login=("u", "p")).digest("acme/api", "latest") == _digest(BODY)
    with pytest.raises(Refused, match="refuses anonymous access to read"):
        _registry(server).digest("acme/api", "latest")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("login", "who"), [(None, "anonymous access"), (("robot", "hunter2"), "user robot")]
)
def test_a_refusal_says_who_and_what(server, status, login, who):
    server.refuse = lambda request: httpx.Response(status)
    with pytest.raises(Refused) as caught:
        _registry(server, login=login).digest("acme/api", "latest")
    assert caught.value.what == (
        f"registry localhost:5000 refuses {who} to read acme/api:latest ({status})"
    )
    assert caught.value.todo == (
        "check the token's scopes: write:packages to push, read:packages to pull"
    )
    assert "hunter2" not in str(caught.value)


def test_a_refused_push_says_push(server):
    server.refuse = lambda r: httpx.Response(403) if r.method in ("POST", "PUT") else None
    with pytest.raises(Refused, match=re.escape("to push to acme/release (403)")):
        _registry(server).push_release("acme/release", Stored("{}"), ["a"])
    server.manifests[_digest(BODY)] = (BODY, INDEX)
    with pytest.raises(Refused, match=re.escape("to push to acme/api:latest (403)")):
        _registry(server).tag("acme/api", _digest(BODY), ["latest"])


def test_a_wrong_login_at_the_token_server_is_a_refusal(server):
    server.refuse = TokenAccess(login="robot:right")
    with pytest.raises(Refused, match="refuses user robot to read"):
        _registry(server, "registry.example.org", ("robot", "wrong")).digest("acme/api", "latest")


def test_another_failure_shows_the_answer(server):
    server.refuse = lambda request: httpx.Response(507, text="no space left")
    with pytest.raises(HomeguruError) as caught:
        _registry(server).pull_release("acme/release", "a")
    assert not isinstance(caught.value, Refused)
    assert caught.value.what == (
        "registry localhost:5000 answered 507 to read acme/release:a: no space left"
    )


def test_credentials_do_not_follow_a_redirect_to_another_host(server):
    seen = {}

    def store(request):
        if request.url.host == "store.example.org":
            seen.update(request.headers)
            return httpx.Response(200, content=b"{}")
        if "/blobs/" in request.url.path:
            return httpx.Response(307, headers={"Location": "https://store.example.org/b"})
        return access(request)

    access = TokenAccess()
    body = json.dumps({"layers": [{"digest": _digest(b"{}"), "mediaType": RELEASE_TYPE}]}).encode()
    server.manifests["a"] = (body, MANIFEST_TYPE)
    registry = _registry(server, "registry.example.org")
    server.refuse = access
    registry.digest("acme/release", "a")
    server.refuse = store
    assert registry.pull_release("acme/release", "a") == Stored("{}")
    assert "authorization" not in seen


@pytest.mark.parametrize("status", [429, 503])
def test_a_token_service_that_is_busy_is_no_wrong_token(registry_of, status):
    def answer(request):
        if request.url.host == "auth.test":
            return httpx.Response(status)
        challenge = 'Bearer realm="https://auth.test/token",service="r"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    with pytest.raises(Unreachable, match=f"answered {status} for a token"):
        registry_of(answer).tags("a/b")


@pytest.mark.parametrize("status", [429, 502])
def test_a_registry_that_is_busy_may_be_asked_again(registry_of, status):
    with pytest.raises(Unreachable, match=f"answered {status} to read a/b"):
        registry_of(lambda _: httpx.Response(status)).tags("a/b")


def test_a_web_server_is_no_registry(registry_of):
    with pytest.raises(Unreachable, match="answers 404 to GET /v2/"):
        registry_of(lambda _: httpx.Response(404)).ping()
    page = registry_of(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(Unreachable, match="without a digest of a/b:1"):
        page.digest("a/b", "1")
    for ask in (lambda: page.tags("a/b"), lambda: page.pull_release("a/b", "1")):
        with pytest.raises(Unreachable, match="no JSON for"):
            ask()
    image = registry_of(lambda _: httpx.Response(200, json={"layers": []}))
    with pytest.raises(Unreachable, match="something else than a release"):
        image.pull_release("a/b", "1")


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_registry_is_known_by_its_answer(registry_of, status):
    registry_of(lambda _: httpx.Response(status)).ping()


def test_a_loop_of_redirects_is_one_sentence(registry_of):
    def answer(request):
        return httpx.Response(302, headers={"Location": str(request.url)})

    with pytest.raises(Unreachable, match="does not answer: TooManyRedirects"):
        registry_of(answer).tags("a/b")


def test_all_pages_of_tags_are_read(registry_of):
    def answer(request):
        if request.url.params.get("last") == "2":
            return httpx.Response(200, json={"tags": ["3"]})
        more = {"Link": '</v2/a/b/tags/list?last=2>; rel="next"'}
        return httpx.Response(200, json={"tags": ["1", "2"]}, headers=more)

    assert registry_of(answer).tags("a/b") == ["1", "2", "3"]


@pytest.fixture
def registry_of():
    """A function that makes a registry of whatever answers."""

    def make(answer) -> Registry:
        return Registry("r.test", ("octocat", "x"), httpx.MockTransport(answer))

    return make


# -- what a registry says is checked ------------------------------------------------


def _foreign(server, **changes):
    """A release whose layer says something else than it should."""
    layer = {"digest": _digest(b"{}"), "mediaType": RELEASE_TYPE, **changes}
    server.manifests["a"] = (json.dumps({"layers": [layer]}).encode(), MANIFEST_TYPE)
    server.blobs[_digest(b"{}")] = b"{}"


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "../../../attacker/x/blobs/sha256:" + "0" * 64}, {"digest": "sha256:0"},
        {"digest": 5}, {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"},
    ],
)  # fmt: skip
def test_a_layer_that_is_no_release_is_not_fetched(server, changes):
    _foreign(server, **changes)
    with pytest.raises(Unreachable, match="something else than a release for acme/release:a"):
        _registry(server).pull_release("acme/release", "a")
    assert not [r for r in server.requests if "/blobs/" in r.url.path]


@pytest.mark.parametrize(
    "reference",
    ["../../../attacker/x/blobs/sha256:" + "0" * 64, "a/b", "a?b", "a#b", "", "-a", "a b", "a\n",
     "sha256:0", "%2e%2e", "x" * 129],
)  # fmt: skip
@pytest.mark.parametrize("ask", ["digest", "pull_release"])
def test_a_reference_stays_in_its_repository(server, ask, reference):
    with pytest.raises(WrongUse, match="is neither a tag nor a digest"):
        getattr(_registry(server), ask)("acme/release", reference)
    assert server.requests == []


@pytest.mark.parametrize(
    "repository", ["../x", "a/../b", "/a", "a//b", "A", "a?x", "", "a/", "a b"]
)
def test_a_repository_stays_in_its_registry(server, repository):
    registry = _registry(server)
    asks = [
        lambda: registry.tags(repository), lambda: registry.digest(repository, "a"),
        lambda: registry.push_release(repository, Stored("{}"), ["a"]),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(WrongUse, match="no registry has a repository"):
            ask()
    assert server.requests == []


def test_bytes_that_are_others_than_their_digest_says_are_refused(server):
    registry = _registry(server)
    registry.push_release("acme/release", Stored('{"v":1}'), ["a"])
    blob = _digest(b'{"v":1}')
    server.blobs[blob] = b'{"v":2}'
    with pytest.raises(Refused, match=f"answers other bytes than {blob} names"):
        registry.pull_release("acme/release", "a")


@pytest.mark.parametrize("reference", ["a", "digest"])
def test_an_artifact_that_is_another_than_its_digest_says_is_refused(server, reference):
    named = _registry(server).push_release("acme/release", Stored("{}"), ["a"])
    wanted = named if reference == "digest" else "a"

    def answer(request):
        found = server(request)
        if "/manifests/" not in request.url.path:
            return found
        headers = {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": named}
        return httpx.Response(200, headers=headers, content=found.content + b" ")

    registry = Registry("localhost:5000", None, httpx.MockTransport(answer))
    with pytest.raises(Refused, match=f"answers other bytes than {named} names"):
        registry.pull_release("acme/release", wanted)


def test_no_tag_is_given_to_bytes_of_another_digest(server):
    server.manifests[_digest(BODY)] = (BODY + b" ", INDEX)
    with pytest.raises(Refused, match="answers other bytes"):
        _registry(server).tag("acme/api", _digest(BODY), ["latest"])
    assert server.put() == []


def test_a_digest_of_another_form_is_none(registry_of):
    registry = registry_of(
        lambda _: httpx.Response(200, headers={"Docker-Content-Digest": "sha256:0 --privileged"})
    )
    with pytest.raises(Unreachable, match="without a digest of a/b:1"):
        registry.digest("a/b", "1")


def test_a_token_does_not_go_to_where_the_next_page_lies(server):
    seen = []

    def answer(request):
        if request.url.host == "evil.example":
            seen.append(request.headers.get("Authorization"))
            return httpx.Response(200, json={"tags": []})
        if refused := access(request):
            return refused
        more = {"Link": '<https://evil.example/v2/a/b/tags/list>; rel="next"'}
        return httpx.Response(200, json={"tags": ["1"]}, headers=more)

    access = TokenAccess(login="robot:t0ken")
    registry = Registry("r.test", ("robot", "t0ken"), httpx.MockTransport(answer))
    assert registry.tags("a/b") == ["1"]
    assert seen == [None]


def test_a_token_does_not_go_to_where_an_upload_is_sent(server):
    seen = []

    def answer(request):
        if request.url.host == "evil.example":
            seen.append(request.headers.get("Authorization"))
            return httpx.Response(201)
        if refused := access(request):
            return refused
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "https://evil.example/u"})
        return server(request)

    access = TokenAccess(login="robot:t0ken")
    registry = Registry("r.test", ("robot", "t0ken"), httpx.MockTransport(answer))
    registry.push_release("a/b", Stored("{}"), ["a"])
    assert seen
    assert set(seen) == {None}


def test_a_password_is_not_sent_in_clear_to_a_token_service():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(
            401, headers={"WWW-Authenticate": 'Bearer realm="http://auth.test/t"'}
        )

    registry = Registry("r.test", ("robot", "t0ken"), httpx.MockTransport(answer))
    with pytest.raises(Refused, match=r"asks for its password at http://auth\.test/t, unencrypted"):
        registry.tags("a/b")
    assert asked == ["https://r.test/v2/a/b/tags/list"]


def test_another_registry_than_ours_is_not_blamed_on_push_registry():
    def fail(request):
        raise httpx.ConnectError("refused")

    hub = Registry("docker.io", transport=httpx.MockTransport(fail), named="[images]")
    with pytest.raises(Unreachable) as caught:
        hub.ping()
    assert caught.value.what == "registry docker.io does not answer: ConnectError"
    assert "name right in [images]?" in caught.value.todo
    assert "push_registry" not in caught.value.todo


def test_the_demos_registry_is_spoken_to_in_clear(server) -> None:
    """It has no certificate; its name was one that only looked like this machine's."""
    _registry(server, f"{REGISTRY_NAME}:5000").ping()
    assert str(server.requests[0].url) == f"http://{REGISTRY_NAME}:5000/v2/"


@pytest.mark.parametrize("content", [b"[1]", b"null", b"5", b'"x"', b"<html>"])
def test_an_answer_that_is_no_json_object_is_one_of_no_registry(content: bytes) -> None:
    registry = _registry(lambda _: httpx.Response(200, content=content))
    with pytest.raises(Unreachable, match="registry localhost:5000 answers no JSON"):
        registry.tags("acme/api")
    with pytest.raises(Unreachable, match="registry localhost:5000 answers no JSON"):
        registry.manifest("acme/api", "1")


def test_tags_that_are_no_list_are_refused_and_what_is_no_tag_is_left_out() -> None:
    pages = [{"tags": 5}, {"tags": ["a", 7, None, "b"]}, {"tags": None}]
    registry = _registry(lambda _: httpx.Response(200, json=pages.pop(0)))
    with pytest.raises(Unreachable, match="no list of tags of acme/api"):
        registry.tags("acme/api")
    assert registry.tags("acme/api") == ["a", "b"]
    assert registry.tags("acme/api") == []


@pytest.mark.parametrize("again", ["/v2/acme/api/tags/list", ""])
def test_pages_without_an_end_are_not_asked_for_without_an_end(again: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        link = again or f"/v2/acme/api/tags/list?last={len(asked)}"
        return httpx.Response(200, json={"tags": ["a"]}, headers={"Link": f'<{link}>; rel="next"'})

    assert set(_registry(answer).tags("acme/api")) == {"a"}
    assert len(asked) == (1 if again else 1000)


def test_an_upload_without_a_place_is_no_registrys(server) -> None:
    server.refuse = lambda r: httpx.Response(202) if r.method == "POST" else None
    with pytest.raises(Unreachable, match="no place for an upload to acme/releases"):
        _registry(server).push_release("acme/releases", Stored("{}"), ["1"])


def test_a_token_service_that_does_not_answer_is_told_as_the_registrys_own() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.test":
            raise httpx.ConnectError("no route")
        challenge = 'Bearer realm="https://auth.test/token",service="r"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    said = "https://auth.test/token, where registry r.test gives its tokens, does not answer: Conn"
    with pytest.raises(Unreachable, match=said):
        _registry(answer, "r.test").digest("acme/api", "1")
