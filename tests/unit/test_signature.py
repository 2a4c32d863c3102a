"""What an answer of cosign means: who signed a release, or the one sentence that says why nobody did."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import Refused, Unreachable, WrongUse
from deployments.health.doctor import Diagnosis, signing
from deployments.release.manifest import Manifest, parse_manifest
from deployments.release.signature import (
    Claim,
    CosignAnswer,
    PublicKey,
    ReleaseArtifact,
    claims,
    last_line,
    notes_of,
    read_public_key,
    signed_by,
)

A, B = PublicKey("a.pub", "0" * 12), PublicKey("b.pub", "1" * 12)
DIGEST, OTHER = (f"sha256:{digit * 64}" for digit in "ab")
NAME = "prod-sha-0123456789ab"
ARTIFACT = ReleaseArtifact(NAME, DIGEST, "prod", "ghcr.io/acme/release")


def payload(digest: str = DIGEST, release: str = NAME) -> str:
    critical = {
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps([{"critical": critical, "optional": {"release": release}}])


def answer(code: int, key: PublicKey = A, **more: str) -> CosignAnswer:
    return CosignAnswer(key, code, **more)


def refusal(*answers: CosignAnswer) -> Refused:
    with pytest.raises(Refused) as caught:
        signed_by(ARTIFACT, answers)
    assert caught.value.where == f"ghcr.io/acme/release@{DIGEST}"
    assert caught.value.state == "untouched"
    assert caught.value.todo.endswith("publish that commit again: homeguru publish --env prod")
    return caught.value


def test_one_key_of_several_is_enough() -> None:
    assert signed_by(ARTIFACT, [answer(0, output=payload())]) == A
    assert signed_by(ARTIFACT, [answer(12), answer(0, B, output=payload())]) == B
    # One that cannot be read takes nothing from what another proves.
    assert signed_by(ARTIFACT, [answer(1), answer(0, B, output=payload())]) == B


@pytest.mark.parametrize(
    "output",
    [
        "", "garbage", "{}", "[]", "[1]", '[{"critical": null}]', '[{"critical": {"image": []}}]',
        payload(digest=OTHER), payload(release="prod-sha-ffffffffffff"),
        json.dumps([{"critical": {"image": {"docker-manifest-digest": DIGEST}}, "optional": None}]),
        json.dumps([{"critical": {"image": {"docker-manifest-digest": DIGEST}}, "optional": "x"}]),
    ],
)  # fmt: skip
def test_an_exit_code_of_0_alone_proves_nothing(output: str) -> None:
    refusal(answer(0, output=output))


def test_a_payload_alone_proves_nothing() -> None:
    refusal(answer(12, output=payload()))


def test_each_refusal_has_its_own_sentence() -> None:
    assert refusal(answer(10), answer(10, B)).what == f"release {NAME} is not signed"
    foreign = refusal(answer(12), answer(10, B))
    assert foreign.what == f"release {NAME} is signed with a key that is none of [signatures]"
    assert foreign.todo.startswith(f"a.pub ({A.fingerprint}), b.pub ({B.fingerprint}) may sign")
    copied = refusal(answer(12, any_output=payload(OTHER, "prod-sha-ffffffffffff")))
    assert copied.what == f"the signature of release {NAME} is that of prod-sha-ffffffffffff"
    edited = refusal(answer(12, any_output=payload(OTHER)))
    assert edited.what == (
        f"the signature of release {NAME} is for other content: its manifest was changed after it "
        "was signed"
    )


def test_what_a_signature_names_is_quoted_only_where_it_is_a_name() -> None:
    said = refusal(answer(12, any_output=payload(OTHER, "x\x1b[2J; homeguru deploy")))
    assert said.what == f"the signature of release {NAME} is that of another release"


def test_an_answer_that_is_none_is_no_verdict() -> None:
    error = "Error: dial tcp: refused\nerror during command execution: dial tcp: refused\n"
    with pytest.raises(Unreachable) as caught:
        signed_by(ARTIFACT, [answer(12), answer(1, B, error=error)])
    assert caught.value.what == f"cosign could not verify release {NAME}: dial tcp: refused"
    assert last_line("") == "no reason"


def test_claims_of_several_signatures() -> None:
    both = json.dumps([*json.loads(payload()), 7, *json.loads(payload(OTHER))])
    assert claims(both) == [Claim(DIGEST, NAME), Claim(OTHER, NAME)]


def pem(kind: str = "PUBLIC KEY", body: str = base64.b64encode(b"key").decode()) -> str:
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


def test_a_public_key_has_a_name_and_a_fingerprint() -> None:
    key = read_public_key("production.cosign.pub", pem(), "x")
    assert str(key) == "production.cosign.pub (2c70e12b7a06)"
    assert read_public_key("production.cosign.pub", pem().replace("\n", "\r\n"), "x") == key


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519 AAAA", pem(body="a"), pem() + pem(), "x" + pem(), pem(body="")]
)
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(WrongUse, match="holds no public key"):
        read_public_key("k.pub", text, "k.pub")


def test_a_private_key_among_the_public_ones_is_named_as_what_it_is() -> None:
    with pytest.raises(WrongUse, match="holds a private key") as caught:
        read_public_key("k", pem("ENCRYPTED SIGSTORE PRIVATE KEY"), "k")
    assert base64.b64encode(b"key").decode() not in str(caught.value)


def test_a_plan_says_who_signed_and_whether_it_goes_back_in_time() -> None:
    release = Manifest.nothing().model_copy(update={"created": "2030-01-02T00:00:00Z"})
    assert notes_of(release, "") == []
    proven = release.proven("signed by a.pub")
    assert notes_of(proven, "") == ["signed by a.pub"]
    assert notes_of(proven, release.to_json()) == ["signed by a.pub"]
    later = release.model_copy(update={"created": "2030-01-03T00:00:00Z"})
    assert notes_of(proven, later.to_json()) == [
        "signed by a.pub",
        "older than what runs: its commit is of 2030-01-02T00:00:00Z, that one's of 2030-01-03T00:00:00Z",
    ]
    assert notes_of(release.proven("x").described("Fix"), "") == ["x"]


@pytest.mark.parametrize("name", ["_proof", "proof"])
def test_no_manifest_can_claim_its_proof(name: str) -> None:
    data = {**json.loads(Manifest.nothing().to_json()), name: "signed by a.pub"}
    with pytest.raises(WrongUse, match=name):
        parse_manifest(json.dumps(data), "x")
    assert "proof" not in Manifest.nothing().proven("x").to_json()


def test_the_plan_of_a_deploy_names_the_key(world) -> None:
    target, note = world.target(), "signed by a.pub (0123456789ab)"
    assert note not in world.plan(target, world.bare).notes
    proven = replace(target, manifest=target.manifest.proven(note))
    plan = world.plan(proven, world.bare)
    assert note in plan.notes
    assert ("note", note) in plan.lines()
    assert note in plan.to_dict()["notes"]
    # An approval of the one is none of the other.
    assert plan.fingerprint != world.plan(target, world.bare).fingerprint


def test_the_table_of_an_environment(toml) -> None:
    def names(**table):
        return parse_environment("prod", toml(signatures=table), "prod.toml").secret_names

    without = parse_environment("prod", toml(), "prod.toml").secret_names
    assert names() == without
    assert names(keys=["k.pub"]) == [*without, "COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD"]
    assert names(keys=["k.pub"], key="MINE", password="ITS")[-2:] == ["MINE", "ITS"]
    with pytest.raises(WrongUse, match="required needs keys"):
        names(required=True)
    with pytest.raises(WrongUse, match="a file's path"):
        names(keys=["k.pub\n"])


def test_what_is_amiss_is_wrong_only_where_a_signature_is_required(make_environment) -> None:
    found = Diagnosis(
        "this machine", "signatures", "wrong", "cosign is not installed", "install it"
    )
    keys = {"keys": ["k.pub"]}
    required = make_environment(signatures={**keys, "required": True})
    assert signing(required, found).verdict == "wrong"
    assert signing(make_environment(signatures=keys), found).verdict == "warning"
    well = Diagnosis("this machine", "signatures", "ok", "required, by k.pub")
    assert signing(required, well) == well
