"""Building images with `docker buildx bake`, one target a service."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.build.failure import failed_targets, failing_lines
from deployments.build.pushes import Pushes
from deployments.build.transfers import Sending
from deployments.environment.policy import OwnDockerfile
from deployments.errors import HomeguruError, Refused
from infra.engine.login import logged_in
from infra.machine.processes import stream
from infra.machine.progress import watcher

_DIGEST = r"sha256:[0-9a-f]{64}"
_HEADING = re.compile(r"^#\d+ (\[.+\].*)$")


@dataclass(frozen=True)
class Image:
    """One image to build: whose it is, tag to push, build arguments, labels.

    own: the application's own Dockerfile, in the context; without one the bake file has a target of
    the service's name.
    """

    service: str
    tag: str
    arguments: dict[str, str]
    labels: dict[str, str]
    own: OwnDockerfile | None = None

    @property
    def target(self) -> str:
        """Bake takes no dot in the name of a target."""
        return self.service.replace(".", "_") if self.own else self.service


def bake(
    folder: Path, images: list[Image], context: Path, say: Callable[[str], None],
    login: tuple[str, str, str] | None = None, pushed: Callable[[Image], None] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Build and push; the digests by service, as the builder has them, where it tells.

    Raises HomeguruError with the failing lines of the build only.

    folder: the bake file's and the Dockerfiles'; images of the application's own Dockerfiles have a
    bake file of their own, and are not built together with others. login: (registry, user, token),
    given to the engine in a throw-away configuration. pushed: called with each image as soon as it is
    in the registry, while others still build.
    """
    with _bake_file(folder, images, context) as file, _metadata_file() as metadata:
        command = ["docker", "buildx", "bake", "-f", str(file)]
        command += ["--progress", "plain", "--push", "--metadata-file", str(metadata)]
        for image in images:
            command += ["--set", f"{image.target}.tags={image.tag}"]
            for kind, values in (("args", image.arguments), ("labels", image.labels)):
                command += [
                    w
                    for k, v in values.items()
                    for w in ("--set", f"{image.target}.{kind}.{k}={v}")
                ]
        # A stage that several images share is a target of its own, which `--set` above does not reach.
        variables = re.findall(r'^variable "(\w+)"', file.read_text(), re.M)
        shared = {n: v for i in images for n, v in i.arguments.items() if n in variables}
        environment = {
            **shared,
            "CONTEXT": str(context),
            "DOCKERFILES": str(folder),
            # Newer bake asks on the terminal before it reads outside its working directory.
            "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
        }
        targets = [i.target for i in images]
        with logged_in(login) as extra:
            completed = stream(
                *command, *targets, log=_followed(images, say, pushed), env={**environment, **extra}
            )
        if completed.code != 0:
            raise _failure(completed.stdout, {i.target: i.service for i in images})
        return _digests(metadata, images)


@contextlib.contextmanager
def _metadata_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="homeguru-bake-") as place:
        yield Path(place) / "metadata.json"


def _digests(metadata: Path, images: list[Image]) -> dict[str, str]:
    """What was pushed for each service. A registry could name another image that has the same tag."""
    try:
        built = json.loads(metadata.read_text())
    except (OSError, ValueError):
        return {}
    named = {i.service: str(built.get(i.target, {}).get("containerimage.digest")) for i in images}
    return {s: digest for s, digest in named.items() if re.fullmatch(_DIGEST, digest)}


@contextlib.contextmanager
def _bake_file(folder: Path, images: list[Image], context: Path) -> Iterator[Path]:
    """The one beside the Dockerfiles, or one that is written of the application's own."""
    own = {i.target: _target(i.target, i.own, context) for i in images if i.own}
    if not own:
        yield folder / "docker-bake.hcl"
        return
    with tempfile.TemporaryDirectory(prefix="homeguru-bake-") as place:
        file = Path(place) / "docker-bake.json"
        file.write_text(json.dumps({"target": own}))
        yield file


def _target(name: str, own: OwnDockerfile, context: Path) -> dict[str, object]:
    """The same settings as those of docker/docker-bake.hcl, by the same variables."""
    cache_from, cache_to, provenance, sbom = (
        os.environ.get(n, "") for n in ("CACHE_FROM", "CACHE_TO", "PROVENANCE", "SBOM")
    )
    target: dict[str, object] = {
        "context": str(context / own.context),
        "dockerfile": str(context / own.file),
        "attest": [
            f"type=provenance,{f'mode={provenance}' if provenance else 'disabled=true'}",
            *(["type=sbom"] if sbom == "true" else []),
        ],
    }
    if own.target:
        target["target"] = own.target
    if cache_from:
        target["cache-from"] = [f"type=registry,ref={cache_from}:{name}"]
    if cache_to:
        target["cache-to"] = [f"type=registry,ref={cache_to}:{name},mode=max,ignore-error=true"]
    return target


def _followed(
    images: list[Image], say: Callable[[str], None], pushed: Callable[[Image], None] | None
) -> Callable[[str], None]:
    """What becomes of each line: headings are said, and pushes that end."""
    headings, pushes, of = _headings(say), Pushes(), {image.tag: image for image in images}
    sending = Sending()

    def log(line: str) -> None:
        headings(line)
        if sent := pushes.sent(line):
            tag, layer = sent
            sending.see(of[tag].service if tag in of else tag, layer)
            watcher().progress(f"push {sending}" if str(sending) else "")
        image = of.get(pushes.ended(line) or "")
        if image:
            sending.end(image.service)
        if pushed and image:
            pushed(image)

    return log


def _headings(say: Callable[[str], None]) -> Callable[[str], None]:
    seen: set[str] = set()

    def log(line: str) -> None:
        match = _HEADING.match(line)
        if match and not match[1].startswith("[internal]") and match[1] not in seen:
            seen.add(match[1])
            say(match[1])

    return log


def _failure(output: str, targets: Mapping[str, str]) -> HomeguruError:
    """targets: of the bake file, with the service of each."""
    refusal = _refusal(output)
    if refusal:
        return Refused(
            f"the registry refuses the push of {', '.join(targets.values())}: {refusal}",
            state="untouched",
            todo="the token needs write:packages; see the environment's `login`",
        )
    failed = ", ".join(targets[target] for target in failed_targets(output, targets))
    return HomeguruError(
        f"the build of {failed} failed:\n{failing_lines(output)}",
        state="untouched",
        todo="correct the source and publish again",
    )


def _refusal(output: str) -> str:
    """The line that says that a push is not allowed; a step or a base image is no push."""
    errors = [line for line in output.splitlines() if re.match(r"(#\d+ )?ERROR", line)]
    refusals = [
        line
        for line in errors
        if re.search(r"denied|unauthorized|insufficient_scope|403 Forbidden", line)
        and not re.search(r"did not complete|source metadata|pull access", line)
    ]
    return refusals[-1].strip()[:300] if refusals else ""
