"""What cosign's answers mean: whether a release is signed, with which key, and why it is not."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.errors import HomeguruError, Refused, Unreachable, WrongUse
from deployments.release.manifest import Manifest, parse_manifest

ANNOTATION = "release"
"""Key under which a signature names its release, beside the digest."""
_UNSIGNED, _NO_MATCH = 10, 12
"""How `cosign verify` ends where there is no signature, and where none is a key's own."""
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")


@dataclass(frozen=True)
class PublicKey:
    """A key that may have signed: the file as the environment names it, and twelve digits of the key."""

    name: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"


@dataclass(frozen=True)
class ReleaseArtifact:
    """A release that is to be proven. place: of its artifact, `host/repository`, for people."""

    release: str
    digest: str
    environment: str
    place: str


@dataclass(frozen=True)
class CosignAnswer:
    """How `cosign verify` ended with one key.

    any_output: what it printed when it was asked for this key's signatures of whatever release.
    """

    key: PublicKey
    code: int
    output: str = ""
    error: str = ""
    any_output: str = ""


@dataclass(frozen=True)
class Claim:
    """What one signature is for, as its signed payload says."""

    digest: str
    release: str


def read_public_key(name: str, text: str, where: str) -> PublicKey:
    """A key of [signatures]; raises WrongUse for a file that holds none."""
    if "PRIVATE KEY" in text:
        raise WrongUse(
            "holds a private key, which must not lie where releases are deployed", where=where,
            state="untouched",
            todo="put the public one there, cosign.pub, which cosign public-key shows; whoever could read "
            "this file may have copied the private one: make a new pair",
        )  # fmt: skip
    match = _PEM.fullmatch(text.strip() + "\n")
    try:
        key = base64.b64decode("".join(match[1].split()), validate=True) if match else b""
    except binascii.Error:
        key = b""
    if not key:
        raise WrongUse(
            "holds no public key", where=where, state="untouched",
            todo="put the file cosign.pub there that cosign generate-key-pair wrote",
        )  # fmt: skip
    return PublicKey(name, hashlib.sha256(key).hexdigest()[:12])


def claims(output: str) -> list[Claim]:
    """What the signatures in `cosign verify --output json` are for; what is of another form is none."""
    try:
        payloads = json.loads(output)
    except ValueError:
        return []
    found = []
    for payload in payloads if isinstance(payloads, list) else []:
        try:
            digest = payload["critical"]["image"]["docker-manifest-digest"]
            release = (payload.get("optional") or {}).get(ANNOTATION, "")
        except (KeyError, TypeError, AttributeError):
            continue
        found.append(Claim(str(digest), str(release)))
    return found


def signed_by(artifact: ReleaseArtifact, answers: Sequence[CosignAnswer]) -> PublicKey:
    """The key that signed exactly this; raises the error that says why there is none."""
    wanted = Claim(artifact.digest, artifact.release)
    for answer in answers:
        # Its exit code is not all: what was signed is read here, too.
        if answer.code == 0 and wanted in claims(answer.output):
            return answer.key
    failed = [a for a in answers if a.code not in (0, _UNSIGNED, _NO_MATCH)]
    if failed:
        raise _not_asked(artifact, failed[0])
    others = [c for a in answers for text in (a.output, a.any_output) for c in claims(text)]
    raise _refused(artifact, answers, others)


def _refused(
    artifact: ReleaseArtifact, answers: Sequence[CosignAnswer], others: list[Claim]
) -> HomeguruError:
    release = artifact.release
    if others:
        what = f"the signature of release {release} is {_of(others[0], artifact)}"
        todo = "somebody changed the registry after the release was signed: find out who"
    elif all(answer.code == _UNSIGNED for answer in answers):
        what = f"release {release} is not signed"
        todo = "it was published without the private key, or changed since"
    else:
        what = f"release {release} is signed with a key that is none of [signatures]"
        todo = (
            f"{', '.join(str(answer.key) for answer in answers)} may sign: was it published with an older "
            "key, or by somebody else?"
        )
    return Refused(
        what, where=f"{artifact.place}@{artifact.digest}", state="untouched",
        todo=f"{todo}; where the private key is, publish that commit again: homeguru publish --env "
        f"{artifact.environment}",
    )  # fmt: skip


def _of(claim: Claim, artifact: ReleaseArtifact) -> str:
    """What a signature is for, where that is something else than the artifact."""
    if claim.release == artifact.release:
        return "for other content: its manifest was changed after it was signed"
    if re.fullmatch(r"[a-z][a-z0-9-]{0,79}", claim.release):
        return f"that of {claim.release}"
    return "that of another release"


def _not_asked(artifact: ReleaseArtifact, answer: CosignAnswer) -> HomeguruError:
    return Unreachable(
        f"cosign could not verify release {artifact.release}: {last_line(answer.error)}",
        where=f"{artifact.place}@{artifact.digest}", state="untouched",
        todo="correct what it says, then run the same command again",
    )  # fmt: skip


def last_line(error: str) -> str:
    """What cosign says went wrong: it prints that twice."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    reason = lines[-1].removeprefix("error during command execution: ") if lines else "no reason"
    return reason[:300]


def notes_of(manifest: Manifest, running: str) -> list[str]:
    """For a plan: who signed the release, and whether its commit is older than the one that runs.

    running: the manifest of the current release, as the host keeps it; empty where there is none. A
    signature says nothing of time: whoever may push can let `newest` mean an older signed release.
    """
    if not manifest.proof:
        return []
    then = parse_manifest(running, "current").created if running else ""
    older = bool(manifest.created and then and manifest.created < then)
    came = f"older than what runs: its commit is of {manifest.created}, that one's of {then}"
    return [manifest.proof, *([came] if older else [])]
