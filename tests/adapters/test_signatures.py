"""How cosign is called: which arguments, whose login, no secret where others see it, and what it refuses."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.compose.reader import parse_stack
from deployments.errors import HomeguruError, Refused, WrongUse
from deployments.release.manifest import Manifest
from infra.environment.locate import Located
from infra.look import doctor
from infra.publish import publishing
from infra.publish.manifests import find_manifest
from infra.publish.signatures import INSTALL, Signer, checked, signer
from infra.publish.source import opened
from infra.registry.api import Registry, Stored
from tests.adapters.publishing import Store

DIGEST = f"sha256:{'a' * 64}"
NAME = "prod-sha-0123456789ab"
PEM = "-----BEGIN PUBLIC KEY-----\na2V5\n-----END PUBLIC KEY-----\n"
PRIVATE = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0LWtleQ==\n-----END-----"
PASSWORD, TOKEN = "pass-phrase-of-it", "t0ken-of-the-registry"

PROGRAM = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
config = pathlib.Path(os.environ.get("DOCKER_CONFIG", "/none")) / "config.json"
call = {
    "argv": sys.argv[1:], "variables": {k: v for k, v in os.environ.items() if "COSIGN" in k},
    "docker": config.read_text() if config.is_file() else "",
    "mode": oct(config.stat().st_mode)[-3:] if config.is_file() else "",
}
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
answer = json.loads((folder / "answer").read_text()).get(sys.argv[1], [0, "", ""])
sys.stdout.write(answer[1])
sys.stderr.write(answer[2])
sys.exit(answer[0])
"""


def payload() -> str:
    critical = {"image": {"docker-manifest-digest": DIGEST}}
    return json.dumps([{"critical": critical, "optional": {"release": NAME}}])


class Cosign:
    """A program of that name that answers what it is told, and keeps how it was called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "cosign"
        program.write_text(PROGRAM)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.answers()

    def answers(self, **answers: tuple[int, str, str]) -> None:
        """By command; one that is not named ends well and prints what a well one prints."""
        well = {"verify": (0, payload(), ""), "public-key": (0, PEM, "")}
        named = {name.replace("_", "-"): answer for name, answer in answers.items()}
        (self._folder / "answer").write_text(json.dumps({**well, **named}))

    @property
    def calls(self) -> list[dict]:
        file = self._folder / "calls"
        return [json.loads(x) for x in file.read_text().splitlines()] if file.is_file() else []


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cosign:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Cosign(folder)


@pytest.fixture
def signing(located: Callable[..., Located], tmp_path: Path) -> Callable[..., Located]:
    """An environment that requires signatures."""
    (tmp_path / "k.pub").write_text(PEM)

    def make(**changes: object) -> Located:
        return located(signatures={"keys": ["k.pub"], "required": True, **changes})

    return make


@pytest.fixture
def no_cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def registry(host: str = "localhost:5000") -> Registry:
    return Registry(host, ("robot", TOKEN))


def release() -> Manifest:
    return Manifest.nothing().model_copy(update={"name": NAME})


def test_it_is_verified_by_digest_with_the_key_and_the_name(cosign, signing, tmp_path) -> None:
    found = checked(signing(), registry(), release(), lambda: DIGEST)
    assert found.proof.startswith("signed by k.pub (")
    (call,) = cosign.calls
    assert call["argv"] == [
        "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--private-infrastructure",
        "--output", "json", "--key", str(tmp_path / "k.pub"), "-a", f"release={NAME}",
        f"localhost:5000/acme/homeguru-release@{DIGEST}",
    ]  # fmt: skip


def test_plain_http_is_allowed_where_our_own_client_speaks_it(cosign, signing) -> None:
    checked(signing(), registry("ghcr.io"), release(), lambda: DIGEST)
    (call,) = cosign.calls
    assert not {"--allow-http-registry", "--allow-insecure-registry"} & {*call["argv"]}


def test_it_logs_in_by_a_configuration_of_its_own(cosign, signing, monkeypatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/nobody")
    checked(signing(), registry(), release(), lambda: DIGEST)
    checked(signing(), Registry("localhost:5000"), release(), lambda: DIGEST)
    with_login, without = cosign.calls
    auth = base64.b64encode(f"robot:{TOKEN}".encode()).decode()
    assert json.loads(with_login["docker"]) == {"auths": {"localhost:5000": {"auth": auth}}}
    assert with_login["mode"] == "600"
    # Anonymous, as our own client is: a person's credential helper is not asked.
    assert without["docker"] == ""


def test_no_secret_is_an_argument(cosign, signing) -> None:
    found = Signer(signing(), PRIVATE, PASSWORD)
    found.sign(registry(), NAME, DIGEST)
    public, sign, verify = cosign.calls
    assert sign["argv"] == [
        "sign", "--allow-http-registry", "--key", "env://COSIGN_PRIVATE_KEY", "--tlog-upload=false",
        "--yes", "-a", f"release={NAME}", f"localhost:5000/acme/homeguru-release@{DIGEST}",
    ]  # fmt: skip
    secrets = {"COSIGN_PRIVATE_KEY": PRIVATE, "COSIGN_PASSWORD": PASSWORD}
    assert public["variables"] == sign["variables"] == secrets
    # Who only verifies is given neither.
    assert verify["argv"][0] == "verify" and verify["variables"] == {}
    words = " ".join(word for call in cosign.calls for word in call["argv"])
    assert not [s for s in (PASSWORD, TOKEN, "c2VjcmV0") if s in words]
    assert "COSIGN_PASSWORD" not in os.environ


@pytest.mark.parametrize(
    "given", [PRIVATE, f"{PRIVATE}\n", base64.b64encode(f"{PRIVATE}\n".encode()).decode()]
)
def test_a_private_key_may_be_one_line(cosign, signing, given: str) -> None:
    found = signer(signing(), {"COSIGN_PRIVATE_KEY": given, "COSIGN_PASSWORD": PASSWORD}, print)
    assert found
    (call,) = cosign.calls
    assert call["variables"]["COSIGN_PRIVATE_KEY"] == f"{PRIVATE}\n"


def test_the_secrets_may_have_names_of_their_own(cosign, signing) -> None:
    environment = signing(key="SIGNS", password="ITS")
    assert signer(environment, {"SIGNS": PRIVATE, "ITS": PASSWORD}, print)
    assert cosign.calls[0]["variables"]["COSIGN_PASSWORD"] == PASSWORD
    with pytest.raises(Refused, match="secret SIGNS, the private key that signs releases"):
        signer(environment, {"COSIGN_PRIVATE_KEY": PRIVATE}, print)


def test_without_a_private_key_nothing_is_built_where_a_signature_is_required(signing) -> None:
    with pytest.raises(Refused) as caught:
        signer(signing(), {}, print)
    assert caught.value.state == "untouched"
    assert caught.value.todo.startswith(
        "cosign generate-key-pair makes a pair; give COSIGN_PRIVATE_KEY"
    )


def test_without_a_private_key_it_is_said_where_none_is_required(located, signing) -> None:
    said: list[str] = []
    assert signer(signing(required=False), {}, said.append) is None
    assert said == [
        "not signed: secret COSIGN_PRIVATE_KEY, the private key that signs releases, is not on this machine"
    ]
    assert signer(located(), {"COSIGN_PRIVATE_KEY": PRIVATE}, said.append) is None
    assert len(said) == 1


def test_cosign_that_is_not_installed(signing, no_cosign) -> None:
    with pytest.raises(Refused, match="is not installed on this machine") as verifies:
        checked(signing(), registry(), release(), lambda: DIGEST)
    assert verifies.value.todo == f"install cosign 2: {INSTALL}"
    with pytest.raises(Refused, match="which signs releases, is not installed"):
        signer(signing(), {"COSIGN_PRIVATE_KEY": PRIVATE}, print)
    tolerated = checked(signing(required=False), registry(), release(), lambda: DIGEST)
    assert tolerated.proof == (
        "no signature is proven: cosign, which verifies who signed a release, is not installed on "
        "this machine"
    )


def test_a_key_that_is_not_there(cosign, signing, tmp_path) -> None:
    with pytest.raises(WrongUse, match="cannot be read: No such file") as caught:
        checked(signing(keys=["gone.pub"]), registry(), release(), lambda: DIGEST)
    assert caught.value.where == str(tmp_path / "gone.pub")
    (tmp_path / "bytes.pub").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongUse, match="cannot be read: it is no text"):
        checked(signing(keys=["bytes.pub"]), registry(), release(), lambda: DIGEST)


def test_a_signature_that_cannot_be_stored(cosign, signing) -> None:
    found = Signer(signing(), PRIVATE, PASSWORD)
    cosign.answers(sign=(1, "", "Error: x\nerror during command execution: signing: denied\n"))
    with pytest.raises(HomeguruError) as caught:
        found.sign(registry(), NAME, DIGEST)
    assert caught.value.what == f"release {NAME} could not be signed: signing: denied"


def test_without_keys_cosign_is_not_called(cosign, located) -> None:
    assert checked(located(), registry(), release(), lambda: DIGEST).proof == ""
    assert cosign.calls == []


# -- publishing ----------------------------------------------------------------------------


@pytest.fixture
def publish(located, tmp_path, built):
    """Publishes one service for a signer, or for none."""
    stack = parse_stack(
        "", {"services": {"api": {"image": "${API_IMAGE}"}}, "x-deploy": {"v": 1}}, "compose.yml"
    )
    root = tmp_path / "app"
    for path in (
        "pyproject.toml",
        "uv.lock",
        "alembic.ini",
        "migrations/env.py",
        "src/api/main.py",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text('[project]\nrequires-python = ">=3.11"\n')
    tree = opened(root, "HEAD", allow_dirty=False, say=print)

    def publish(store: Store, signs: object) -> Manifest:
        return publishing.Publisher(located(), stack, store, None, print, None, signs).publish(tree)

    return publish


def test_an_earlier_build_is_trusted_only_where_a_signed_release_names_it(
    publish, built, monkeypatch
) -> None:
    """Whoever may push can move the tag of an earlier build, before it is used again."""
    store, signed = Store(), []
    store.signed_as = DIGEST
    images = built(store)
    signs = SimpleNamespace(sign=lambda _, name, digest: signed.append((name, digest)), key="k.pub")
    trusted: set[tuple[str, str, str]] = set()
    monkeypatch.setattr(publishing, "signed_images", lambda *_: frozenset(trusted))
    first = publish(store, signs)
    assert signed == [(first.name, DIGEST)]
    api = first.services["api"]
    trusted.add((api.repository, api.inputs, api.digest))
    publish(store, signs)
    assert len(images) == 1
    store.known[api.repository, f"in-{api.inputs}"] = f"sha256:{'e' * 64}"
    assert publish(store, None).services["api"].digest == f"sha256:{'e' * 64}"
    assert publish(store, signs).services["api"].digest != f"sha256:{'e' * 64}"
    assert len(images) == 2


def test_a_release_that_could_not_be_signed_has_no_name(publish, built, monkeypatch) -> None:
    store = Store()
    store.signed_as = DIGEST
    built(store)

    def sign(*_: object) -> None:
        raise HomeguruError("could not be signed")

    monkeypatch.setattr(publishing, "signed_images", lambda *_: frozenset())
    with pytest.raises(HomeguruError, match="could not be signed"):
        publish(store, SimpleNamespace(sign=sign, key="k.pub"))
    assert store.releases == {}


# -- a file, and the doctor ----------------------------------------------------------------


def test_the_digest_that_is_verified_is_that_of_the_bytes_that_were_read(cosign, signing) -> None:
    store = Store()
    store.login, store.is_unencrypted = None, True
    stored = Stored(release().to_json(), digest=DIGEST)
    store.push_release("x", stored, [NAME, "prod-newest"])
    assert find_manifest(signing(), store, "newest").proof.startswith("signed by k.pub")
    assert cosign.calls[0]["argv"][-1].endswith(DIGEST)


def test_doctor_names_what_is_missing(cosign, signing, monkeypatch, tmp_path) -> None:
    assert doctor._signatures(signing()).startswith("required, by k.pub (")
    assert doctor._signatures(signing(required=False)).startswith("not required, by")
    with pytest.raises(WrongUse, match="cannot be read"):
        doctor._signatures(replace(signing(), file=tmp_path / "elsewhere" / "prod.toml"))
    monkeypatch.setenv("PATH", "/none")
    with pytest.raises(Refused, match="is not installed"):
        doctor._signatures(signing())
