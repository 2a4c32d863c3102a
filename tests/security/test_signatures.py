"""Only what was signed is deployed: real signatures, a real registry, and what is done to both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.errors import Refused, Unreachable, WrongUse
from deployments.release.manifest import Manifest, ServiceImage
from deployments.release.signature import notes_of
from infra.environment.locate import Located
from infra.publish.manifests import find_manifest, read_manifest, signed_images
from infra.publish.signatures import Signer, signer_of
from infra.registry.api import MANIFEST_TYPE, Registry, Stored
from tests.security.conftest import LOGIN, PASSWORD, Pair

pytestmark = [pytest.mark.e2e, pytest.mark.security]

OLD, NEW = "prod-sha-000000000001", "prod-sha-000000000002"
GOOD, EVIL = (f"sha256:{digit * 64}" for digit in "ae")


def manifest(located: Located, name: str, api: str = GOOD, created: str = "2030-01-01") -> Manifest:
    image = ServiceImage(
        repository=located.environment.repository_of("api"), digest=api, built=True, inputs="abc"
    )
    return Manifest(
        name=name, source="", ref="main", commit="", author="", created=created, build_env={},
        services={"api": image},
    )  # fmt: skip


@dataclass(frozen=True)
class Publication:
    """Publishes for one environment, as somebody with a private key, or with none."""

    located: Located
    registry: Registry

    def push(self, release: Manifest, pair: Pair | None = None, *tags: str) -> str:
        """Store a release, signed by the pair; the digest of its artifact."""
        signer = self._signer(pair) if pair else None
        sign = (lambda d: signer.sign(self.registry, release.name, d)) if signer else None
        stored = Stored(release.to_json(), "A subject")
        named = list(tags) or [release.name, "prod-newest"]
        return self.registry.push_release(self.located.environment.manifests, stored, named, sign)

    def _signer(self, pair: Pair) -> Signer:
        """Whoever signs names its own public key: that a deployer accepts it is another matter."""
        environment = self.located.environment
        own = environment.signatures.model_copy(update={"keys": (pair.public.name,)})
        of_pair = environment.model_copy(update={"signatures": own})
        return Signer(replace(self.located, environment=of_pair), pair.private, PASSWORD)

    def find(self, wanted: str) -> Manifest:
        return find_manifest(self.located, self.registry, wanted)

    def refused(self, wanted: str) -> str:
        """The sentence of the refusal; the server was not touched, and something is to be done."""
        with pytest.raises(Refused) as caught:
            self.find(wanted)
        assert caught.value.state == "untouched"
        assert caught.value.todo
        assert caught.value.where
        return caught.value.what

    def give_signature(self, of: str, to: str) -> None:
        """Copy the signature of one digest beside another, as whoever may push can."""
        self.put(to, self.signature(of))

    def signature(self, digest: str) -> dict[str, Any]:
        tag = digest.replace(":", "-") + ".sig"
        found = self.registry.manifest(self.located.environment.manifests, tag)
        assert found["layers"], "nothing is signed"
        return found

    def put(self, digest: str, signature: dict[str, Any]) -> None:
        repository = self.located.environment.manifests
        answer = httpx.put(
            f"http://{self.registry.host}/v2/{repository}/manifests/{digest.replace(':', '-')}.sig",
            content=json.dumps(signature), headers={"Content-Type": MANIFEST_TYPE}, auth=LOGIN,
        )  # fmt: skip
        assert answer.is_success, answer.text


@pytest.fixture
def on(located: Callable[..., Located], registry: Registry) -> Publication:
    return Publication(located(), registry)


def test_a_signed_release_is_accepted_and_the_plan_names_the_key(on, pairs) -> None:
    on.push(manifest(on.located, NEW), pairs["production"])
    for wanted in (NEW, "newest"):
        (note,) = notes_of(on.find(wanted), "")
        assert note.startswith("signed by production.cosign.pub (")


def test_an_unsigned_one_is_refused(on) -> None:
    digest = on.push(manifest(on.located, NEW))
    assert on.refused("newest") == f"release {NEW} is not signed"
    with pytest.raises(Refused) as caught:
        on.find(NEW)
    assert caught.value.where == (f"{on.registry.host}/{on.located.environment.manifests}@{digest}")
    # To compare releases, those from before signatures are read.
    assert read_manifest(on.located, on.registry, NEW).name == NEW


def test_one_that_a_stranger_signed_is_refused(on, pairs) -> None:
    on.push(manifest(on.located, NEW), pairs["stranger"])
    what = f"release {NEW} is signed with a key that is none of [signatures]"
    assert on.refused("newest") == what


def test_a_tag_that_was_moved_to_another_signed_release_is_refused(on, pairs) -> None:
    on.push(manifest(on.located, NEW), pairs["production"])
    on.push(manifest(on.located, OLD), pairs["production"], OLD, NEW)
    assert on.refused(NEW) == f"the registry gives the manifest of {OLD} for {NEW}"


def test_a_signature_of_another_release_proves_nothing(on, pairs) -> None:
    signed = on.push(manifest(on.located, OLD), pairs["production"])
    unsigned = on.push(manifest(on.located, NEW))
    on.give_signature(signed, unsigned)
    assert on.refused(NEW) == f"the signature of release {NEW} is that of {OLD}"


def test_a_manifest_with_another_image_is_refused(on, pairs) -> None:
    signed = on.push(manifest(on.located, NEW), pairs["production"])
    swapped = on.push(manifest(on.located, NEW, api=EVIL))
    assert swapped != signed
    assert on.refused(NEW) == f"release {NEW} is not signed"
    on.give_signature(signed, swapped)
    what = "is for other content: its manifest was changed after it was signed"
    assert on.refused(NEW) == f"the signature of release {NEW} {what}"


def test_a_signature_that_was_tampered_with_is_refused(on, pairs) -> None:
    digest = on.push(manifest(on.located, NEW), pairs["production"])
    other = on.push(manifest(on.located, OLD), pairs["production"])
    mine, its = on.signature(digest), on.signature(other)
    mine["layers"][0]["annotations"] = its["layers"][0]["annotations"]
    on.put(digest, mine)
    assert "is signed with a key that is none of" in on.refused(NEW)


def test_a_key_is_exchanged_while_both_are_named(on, located, pairs) -> None:
    on.push(manifest(on.located, OLD), pairs["production"])
    on.push(manifest(on.located, NEW), pairs["next"])
    meanwhile = replace(on, located=located("production", "next"))
    assert "production.cosign.pub" in meanwhile.find(OLD).proof
    assert "next.cosign.pub" in meanwhile.find(NEW).proof
    afterwards = replace(on, located=located("next"))
    assert "next.cosign.pub" in afterwards.find(NEW).proof
    assert "a key that is none of [signatures]" in afterwards.refused(OLD)


def test_a_release_signed_under_another_name_is_refused(on, pairs) -> None:
    """The name is a part of what is signed, beside the digest."""
    digest = on.push(manifest(on.located, NEW), pairs["production"])
    with pytest.raises(Refused, match=f"the signature of release {OLD} is that of {NEW}"):
        signer_of(on.located, on.registry, OLD, digest)


def test_newest_that_leads_back_to_an_older_signed_release_is_said_in_the_plan(on, pairs) -> None:
    old = manifest(on.located, OLD, created="2029-01-01")
    on.push(old, pairs["production"])
    new = manifest(on.located, NEW)
    on.push(new, pairs["production"])
    on.push(old, None, "prod-newest")
    signed, older = notes_of(on.find("newest"), new.to_json())
    assert signed.startswith("signed by")
    assert older == "older than what runs: its commit is of 2029-01-01, that one's of 2030-01-01"


def test_a_file_is_that_of_a_signed_release_or_refused(on, pairs, tmp_path: Path) -> None:
    release = manifest(on.located, NEW)
    file = tmp_path / "release.json"
    file.write_text(json.dumps(json.loads(release.to_json()), indent=2))
    assert "is of a release that is not published" in on.refused(str(file))
    on.push(release, pairs["production"])
    assert on.find(str(file)).proof.startswith("signed by")
    file.write_text(manifest(on.located, NEW, api=EVIL).to_json())
    assert f"{NEW} says otherwise than the registry" in on.refused(str(file))


def test_where_none_is_required_the_plan_says_that_none_is_there(
    on, located, tmp_path: Path
) -> None:
    tolerant = replace(on, located=located(required=False))
    on.push(manifest(on.located, NEW))
    assert tolerant.find(NEW).proof == f"no signature is proven: release {NEW} is not signed"
    file = tmp_path / "release.json"
    file.write_text(manifest(on.located, OLD).to_json())
    assert "is of a release that is not published" in tolerant.find(str(file)).proof
    without = replace(on, located=located(required=False, keys=[]))
    assert without.find(NEW).proof == ""


def test_a_registry_that_does_not_answer_proves_nothing(on) -> None:
    with Registry("127.0.0.1:1", LOGIN) as gone, pytest.raises(Unreachable) as caught:
        find_manifest(on.located, gone, "newest")
    assert caught.value.what == "registry 127.0.0.1:1 does not answer: ConnectError"
    with pytest.raises(Unreachable, match=f"cosign could not verify release {NEW}: "):
        signer_of(on.located, gone, NEW, GOOD)


def test_nobody_finds_a_release_before_it_is_signed(on, pairs, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise WrongUse("no")

    monkeypatch.setattr(Signer, "sign", fail)
    with pytest.raises(WrongUse):
        on.push(manifest(on.located, NEW), pairs["production"])
    assert on.registry.tags(on.located.environment.manifests) == []


def test_an_earlier_build_is_used_again_only_where_a_signed_release_has_it(on, pairs) -> None:
    on.push(manifest(on.located, NEW))
    assert signed_images(on.located, on.registry) == frozenset()
    on.push(manifest(on.located, NEW), pairs["production"])
    repository = on.located.environment.repository_of("api")
    assert signed_images(on.located, on.registry) == {(repository, "abc", GOOD)}
    on.push(manifest(on.located, OLD, api=EVIL))
    assert signed_images(on.located, on.registry) == frozenset()


def test_the_private_key_must_be_that_of_a_public_one(on, pairs) -> None:
    Signer(on.located, pairs["production"].private, PASSWORD)
    with pytest.raises(Refused, match=r"is that of none of production\.cosign\.pub"):
        Signer(on.located, pairs["stranger"].private, PASSWORD)
    with pytest.raises(WrongUse, match="cannot be used: decrypt: ") as caught:
        Signer(on.located, pairs["production"].private, "wrong")
    assert "wrong" not in str(caught.value).replace("correct", "")


COMPOSE = """\
services:
  api:
    image: ${API_IMAGE}
x-deploy:
  v: 1
"""
TOML = """\
v = 1
project = "shop"
directory = "/srv/shop"
compose = "compose.yml"
push_registry = "{host}"
repository = "acme/cli-{{service}}"
login = {{ user = "REGISTRY_USER", token = "REGISTRY_TOKEN" }}
[host]
address = "127.0.0.1"
port = 9
user = "deploy"
key_file = "id_ed25519"
host_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"]
[secrets]
names = ["REGISTRY_USER", "REGISTRY_TOKEN"]
[signatures]
keys = ["production.cosign.pub"]
required = true
"""


def test_deploy_refuses_before_it_connects_to_the_server(
    on: Publication, pairs: dict[str, Pair], tmp_path: Path
) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "compose.yml").write_text(COMPOSE)
    (folder / "prod.toml").write_text(TOML.format(host=on.registry.host))
    (folder / "production.cosign.pub").write_text(pairs["production"].public.read_text())
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    environment = on.located.environment.model_copy(update={"repository": "acme/cli-{service}"})
    on = replace(on, located=replace(on.located, environment=environment))
    on.push(manifest(on.located, NEW))

    def deploy() -> dict[str, Any]:
        words = [
            sys.executable,
            "-m",
            "infra.cli",
            "deploy",
            NEW,
            "--env",
            "prod",
            "--here",
            "--json",
        ]
        variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "HOMEGURU_ENVIRONMENTS": str(folder), "REGISTRY_USER": LOGIN[0],
            "REGISTRY_TOKEN": LOGIN[1],
        }  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, env=variables, timeout=120)
        return {**json.loads(done.stdout.splitlines()[-1]), "code": done.returncode}

    unsigned = deploy()
    assert unsigned["code"] == 3
    assert unsigned["error"] == f"release {NEW} is not signed"
    assert unsigned["server"] == "untouched"
    assert "homeguru publish --env prod" in unsigned["next"]
    on.push(manifest(on.located, NEW), pairs["production"])
    signed = deploy()
    # Its proof is enough to go on to the server, which is none.
    assert signed["where"] == "deploy@127.0.0.1:9", signed
