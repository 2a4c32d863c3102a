"""Signing releases with cosign, and verifying who signed them.

Source: cosign 2, `cosign sign` and `cosign verify` with a key pair and no transparency log.
"""

from __future__ import annotations

import base64
import binascii
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.compose.variables import how_to_give
from deployments.errors import HomeguruError, Refused, WrongUse
from deployments.release.manifest import Manifest
from deployments.release.signature import (
    ANNOTATION,
    CosignAnswer,
    PublicKey,
    ReleaseArtifact,
    last_line,
    read_public_key,
    signed_by,
)
from infra.engine.login import registry_login
from infra.environment.locate import Located
from infra.machine.processes import Ended, run

if TYPE_CHECKING:
    from infra.registry.api import Registry

INSTALL = "https://docs.sigstore.dev/cosign/system_config/installation/; Debian 13 has it: apt-get install cosign"
_PRIVATE = "COSIGN_PRIVATE_KEY"
"""The variable that cosign is told to read the key from, whatever the secret's name is."""


def public_keys(located: Located) -> dict[PublicKey, Path]:
    """The keys of [signatures] with their files; raises WrongUse for one that cannot be read."""
    found = {}
    for name in located.environment.signatures.keys:
        file = located.beside(name)
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise WrongUse(
                f"a public key of [signatures] cannot be read: {reason}", where=str(file),
                state="untouched", todo="put the public key there, or correct `keys` of [signatures]",
            ) from None  # fmt: skip
        found[read_public_key(name, text, str(file))] = file
    return found


def need_cosign(purpose: str) -> None:
    """Raise Refused where cosign is not installed. purpose: what it would do."""
    if not shutil.which("cosign"):
        raise Refused(
            f"cosign, which {purpose}, is not installed on this machine",
            state="untouched", todo=f"install cosign 2: {INSTALL}",
        )  # fmt: skip


def checked(
    located: Located, registry: Registry, manifest: Manifest, digest: Callable[[], str]
) -> Manifest:
    """The release with its proof; raises where one is required and there is none.

    digest: of the artifact whose bytes were read, so that no tag can lead elsewhere meanwhile.
    """
    signatures = located.environment.signatures
    if not signatures.keys:
        return manifest
    try:
        return manifest.proven(f"signed by {signer_of(located, registry, manifest.name, digest())}")
    except HomeguruError as error:
        if signatures.required:
            raise
        return manifest.proven(f"no signature is proven: {error.what}")


def signer_of(located: Located, registry: Registry, release: str, digest: str) -> PublicKey:
    """The key of [signatures] that signed a release; raises the error that says why there is none."""
    need_cosign("verifies who signed a release")
    environment = located.environment
    # One on the server itself is reached through a port of this machine, which says nothing to anybody.
    host = environment.pull_registry if environment.host_registry_port else registry.host
    place = f"{host}/{environment.manifests}"
    keys = public_keys(located)
    reference = f"{registry.host}/{environment.manifests}@{digest}"
    words = (
        "verify",
        "--insecure-ignore-tlog=true",
        "--private-infrastructure",
        "--output",
        "json",
    )

    def answer(key: PublicKey, file: Path) -> CosignAnswer:
        by_key = (*words, "--key", str(file))
        ended = _cosign(registry, *by_key, "-a", f"{ANNOTATION}={release}", reference)
        # Only to say what it is that was signed.
        others = (
            _cosign(registry, *by_key, "--check-claims=false", reference) if ended.code else ended
        )
        return CosignAnswer(
            key, ended.code, ended.stdout, ended.stderr, "" if others.code else others.stdout
        )

    answers = [answer(key, file) for key, file in keys.items()]
    return signed_by(ReleaseArtifact(release, digest, environment.name, place), answers)


class Signer:
    """Signs releases of one environment. `key` is the public half."""

    def __init__(self, located: Located, private_key: str, password: str) -> None:
        self._located = located
        self._secrets = {_PRIVATE: private_key, "COSIGN_PASSWORD": password}
        self.key = self._public_half()

    def _public_half(self) -> PublicKey:
        """Tried before anything is built: it shows a wrong password, and a pair that nobody accepts."""
        names, file = self._located.environment.signatures, str(self._located.file)
        ended = run("cosign", "public-key", "--key", f"env://{_PRIVATE}", env=self._secrets)
        if ended.code:
            raise WrongUse(
                f"the private key in secret {names.key} cannot be used: {last_line(ended.stderr)}",
                where=file, state="untouched",
                todo=f"{names.key} holds what cosign generate-key-pair wrote into cosign.key, or its base64, "
                f"and {names.password} its password: correct them",
            )  # fmt: skip
        own = read_public_key(names.key, ended.stdout, file)
        keys = public_keys(self._located)
        for key in keys:
            if key.fingerprint == own.fingerprint:
                return key
        raise Refused(
            f"the private key in secret {names.key} is that of none of "
            f"{', '.join(str(key) for key in keys)}, but of {own.fingerprint}",
            where=file, state="untouched",
            todo="name the file of its public key in `keys` of [signatures], and give it to every machine "
            "that deploys; or give the private key that belongs to one of them",
        )  # fmt: skip

    def sign(self, registry: Registry, release: str, digest: str) -> None:
        """Sign an artifact, and see that a deploy would accept it."""
        reference = f"{registry.host}/{self._located.environment.manifests}@{digest}"
        ended = _cosign(
            registry, "sign", "--key", f"env://{_PRIVATE}", "--tlog-upload=false", "--yes",
            "-a", f"{ANNOTATION}={release}", reference, secrets=self._secrets,
        )  # fmt: skip
        if ended.code:
            raise HomeguruError(
                f"release {release} could not be signed: {last_line(ended.stderr)}",
                where=reference,
                state="untouched",
                todo="the registry's login must be allowed to push there; then publish again",
            )
        signer_of(self._located, registry, release, digest)


def signer(located: Located, secrets: dict[str, str], say: Callable[[str], None]) -> Signer | None:
    """Who signs what is published; None where nobody does, which is refused where it is required."""
    environment = located.environment
    signatures = environment.signatures
    if not signatures.keys:
        return None
    private_key = secrets.get(signatures.key, "").strip()
    if private_key:
        need_cosign("signs releases")
        return Signer(located, _plain_key(private_key), secrets.get(signatures.password, ""))
    missing = (
        f"secret {signatures.key}, the private key that signs releases, is not on this machine"
    )
    if signatures.required:
        file = environment.secrets.file
        raise Refused(
            f"{missing}, and environment {environment.name} requires a signature",
            where=str(located.file), state="untouched",
            todo="cosign generate-key-pair makes a pair; "
            + how_to_give(environment, [signatures.key], str(located.beside(file)) if file else ""),
        )  # fmt: skip
    say(f"not signed: {missing}")
    return None


def _plain_key(text: str) -> str:
    """The key's own text: a line of a secrets file holds it as base64."""
    if text.startswith("-----BEGIN"):
        return f"{text}\n"
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


def _cosign(registry: Registry, *words: str, secrets: dict[str, str] | None = None) -> Ended:
    """Run cosign against a registry. secrets: variables of it alone, never its arguments."""
    login = (registry.host, *registry.login) if registry.login else None
    plain = ["--allow-http-registry"] if registry.is_unencrypted else []
    with registry_login(login) as variables:
        return run("cosign", words[0], *plain, *words[1:], env={**variables, **(secrets or {})})
