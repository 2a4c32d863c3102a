"""Running trivy on the images of a release.

Source: trivy's command line, and the registry client in it (go-containerregistry), which speaks plain
HTTP to the loopback interface by itself, as ours does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.errors import HomeguruError, Refused
from deployments.image_name import read
from deployments.release.vulnerabilities import ImageScan, ReleaseImage, platform_of, read_report
from infra.engine.login import registry_login
from infra.machine.processes import run

if TYPE_CHECKING:
    from infra.registry.api import Registry

INSTALL = "https://trivy.dev/latest/getting-started/installation/"
_MINUTES = 15
"""That one image may take: the first one also downloads the database."""
_IGNORED = ".trivyignore"
_KEPT = {
    f"TRIVY_{name}"
    for name in (
        "CACHE_DIR", "DB_REPOSITORY", "JAVA_DB_REPOSITORY", "OFFLINE_SCAN", "SKIP_DB_UPDATE",
        "SKIP_JAVA_DB_UPDATE",
    )
}  # fmt: skip
"""Where its database comes from. Its other variables would hide results, or send a login elsewhere."""
_SEVERITIES = "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"


def need_trivy() -> None:
    """Raise Refused where trivy is not installed."""
    if not shutil.which("trivy"):
        raise Refused(
            "trivy, which finds known vulnerabilities, is not installed on this machine",
            state="untouched",
            todo=f"install it: {INSTALL}; on GitHub our workflow build.yml does, where [scan] has fail_on",
        )


def scans(
    registry: Registry, images: Sequence[ReleaseImage], say: Callable[[str], None]
) -> tuple[ImageScan, ...]:
    """What trivy knows of each image. One after another: its cache is one process's."""
    platform = _platform(registry, images)
    found = []
    with tempfile.TemporaryDirectory(prefix="homeguru-scan-") as folder:
        # trivy.yaml and .trivyignore of the folder that one is in would count otherwise.
        (Path(folder) / _IGNORED).touch()
        for image in images:
            say(f"scanning {image.name}")
            found.append(read_report(_report(registry, image, platform, Path(folder)), image))
    return tuple(found)


def _report(registry: Registry, image: ReleaseImage, platform: str, folder: Path) -> str:
    """What trivy prints of one image. folder: where no file changes a result."""
    login = (registry.host, *registry.login) if registry.login else None
    with registry_login(login) as variables:
        ended = run(
            "trivy", "image", "--format", "json", "--quiet", "--scanners", "vuln",
            "--severity", _SEVERITIES, "--ignore-unfixed=false", "--ignorefile", _IGNORED,
            "--exit-code", "0", "--image-src", "remote", "--timeout", f"{_MINUTES}m",
            *(["--platform", platform] if platform else []), image.reference,
            env={**_without_settings(), **variables}, cwd=folder, timeout=_MINUTES * 60 + 60,
        )  # fmt: skip
    if ended.code:
        raise HomeguruError(
            f"trivy could not scan {image.name}: {_reason(ended.stderr)}", where=image.reference,
            state="untouched",
            todo="can this machine reach that registry, and ghcr.io, where trivy's database is? "
            "TRIVY_DB_REPOSITORY names a mirror",
        )  # fmt: skip
    return ended.stdout


def _without_settings() -> dict[str, str]:
    """Variables of trivy that this machine has set, as not set: it takes an empty one for none."""
    return {name: "" for name in os.environ if name.startswith("TRIVY_") and name not in _KEPT}


def _reason(error: str) -> str:
    """The last thing that trivy printed, without when and how grave."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1].rpartition("\t")[2][:300] if lines else "it does not say why"


def _platform(registry: Registry, images: Sequence[ReleaseImage]) -> str:
    """What the images were built for, where an index says it: trivy would look for linux/amd64."""
    for image in images:
        name = read(image.reference)
        if name.host != registry.host:
            continue
        if platform := platform_of(registry.manifest(name.repository, name.digest)):
            return platform
    return ""
