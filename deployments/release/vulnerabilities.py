"""Known vulnerabilities of a release's images: what trivy reports, counted, and whether it is too much.

Source: trivy's JSON report, schema version 2, as `trivy image --format json` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.environment.policy import ScanPolicy
from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Refused
from deployments.fields import Frozen, VulnerabilityId, first_problem, form
from deployments.image_name import read, without_tag
from deployments.release.manifest import Manifest

SEVERITIES = ("unknown", "low", "medium", "high", "critical")
"""As trivy has them, from the least; of an unknown one nobody can say that it is too much."""
SHOWN_FROM = "high"
"""Where nothing is too much: from this severity on each vulnerability is named, and not only counted."""
_NAMED = 5
_Printable = Annotated[str, form(r"^[^\x00-\x1f\x7f]*$", "a text without control characters", 1000)]


class ReportedVulnerability(Frozen):
    """A known vulnerability of one package, as trivy reports it."""

    model_config = ConfigDict(populate_by_name=True)

    id: VulnerabilityId = Field(alias="VulnerabilityID")
    package: _Printable = Field(alias="PkgName")
    installed: _Printable = Field(alias="InstalledVersion", default="")
    fixed: _Printable = Field(alias="FixedVersion", default="")
    """Versions without it, as their publisher names them; empty while there is none."""
    severity_name: Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"] = Field(alias="Severity")

    @property
    def severity(self) -> str:
        """As `fail_on` writes it."""
        return self.severity_name.lower()

    def at_least(self, severity: str) -> bool:
        """Whether it is as severe as that."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def __str__(self) -> str:
        better = f", fixed in {self.fixed}" if self.fixed else ""
        return f"{self.id} ({self.severity}) in {self.package} {self.installed}{better}"


class _Result(BaseModel):
    target: _Printable = Field(alias="Target")
    vulnerabilities: tuple[ReportedVulnerability, ...] | None = Field(
        alias="Vulnerabilities", default=None
    )


class _Report(BaseModel):
    version: Literal[2] = Field(alias="SchemaVersion")
    results: tuple[_Result, ...] | None = Field(alias="Results", default=None)


@dataclass(frozen=True)
class ReleaseImage:
    """An image of a release by digest. services: that are made from it."""

    services: tuple[str, ...]
    reference: str

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(self.services)


@dataclass(frozen=True)
class ImageScan:
    """What was found in one image. recognized: whether there was anything that trivy knows."""

    image: ReleaseImage
    found: tuple[ReportedVulnerability, ...]
    recognized: bool


def release_images(
    environment: Environment, infrastructure: Mapping[str, str], manifest: Manifest, host: str,
    running: Mapping[str, str],
) -> tuple[ReleaseImage, ...]:  # fmt: skip
    """Every image of a release, once each, as this machine reaches it.

    infrastructure: images that are not built here, by service, as the server pulls them. host: the
    registry as this machine reaches it. running: references of what runs; it stays through a deploy.
    """
    services: dict[str, list[str]] = {}
    for service, image in sorted(manifest.services.items()):
        source = environment.images.get(service, infrastructure.get(service, ""))
        if image.built:
            reference = f"{host}/{image.repository}@{image.digest}"
        elif service in running:
            reference = _from_here(running[service], environment, host)
        elif source:
            reference = _from_here(f"{without_tag(source)}@{image.digest}", environment, host)
        else:
            # The Compose file has no such service any more: nothing would be started from it.
            continue
        services.setdefault(reference, []).append(service)
    return tuple(ReleaseImage(tuple(names), ref) for ref, names in services.items())


def _from_here(reference: str, environment: Environment, host: str) -> str:
    """The server's name of an image, as this machine reaches it."""
    name = read(reference)
    return f"{host if name.host == environment.pull_registry else name.host}/{name.repository}@{name.digest}"


def platform_of(index: Mapping[str, Any]) -> str:
    """What an image was built for, such as `linux/arm64`; empty where it is no index that says it."""
    entries = index.get("manifests")
    for entry in entries if isinstance(entries, list) else []:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(platform, dict) or platform.get("os") != "linux":
            continue
        if (processor := str(platform.get("architecture", ""))).isalnum():
            return f"linux/{processor}"
    return ""


def read_report(text: str, image: ReleaseImage) -> ImageScan:
    """What trivy printed for an image; raises HomeguruError for anything that is no report of it."""
    try:
        results = _Report.model_validate_json(text).results or ()
    except ValidationError as error:
        problem = first_problem(error, "the whole text")
        raise HomeguruError(
            f"trivy's report on {image.name} is not of the form that is known: {problem}",
            where=image.reference, state="untouched",
            todo="trivy --version: is it 0.50 or newer, and is it trivy? Install another version",
        ) from None  # fmt: skip
    found = dict.fromkeys(v for result in results for v in result.vulnerabilities or ())
    worst_first = sorted(found, key=lambda v: (-SEVERITIES.index(v.severity), v.id, v.package))
    return ImageScan(image, tuple(worst_first), bool(results))


@dataclass(frozen=True)
class ReleaseScan:
    """What was found in all images of a release, and what [scan] says of it."""

    release: str
    environment: str
    policy: ScanPolicy
    images: tuple[ImageScan, ...]

    def counted(self, scan: ImageScan) -> list[ReportedVulnerability]:
        """All but those that [scan] ignores by name."""
        return [v for v in scan.found if v.id not in self.policy.ignore]

    def _from(self, severity: str) -> list[tuple[ImageScan, ReportedVulnerability]]:
        """As severe as that, and not ignored for want of a fix."""
        return [
            (scan, v)
            for scan in self.images
            for v in self.counted(scan)
            if v.at_least(severity) and (v.fixed or not self.policy.ignore_unfixed)
        ]

    def too_much(self) -> list[tuple[ImageScan, ReportedVulnerability]]:
        """What [scan] does not tolerate."""
        return self._from(self.policy.fail_on) if self.policy.fail_on else []

    def named(self) -> list[tuple[ImageScan, ReportedVulnerability]]:
        """What a person reads one by one: what is not tolerated, else what is severe."""
        return self._from(self.policy.fail_on or SHOWN_FROM)

    def rows(self) -> list[list[str]]:
        """Image, how many of each severity from the worst down, how many have a fix, digest."""
        rows = []
        for scan in self.images:
            counted = self.counted(scan)
            numbers = [sum(v.severity == s for v in counted) for s in reversed(SEVERITIES)]
            fixed = sum(bool(v.fixed) for v in counted)
            digest = read(scan.image.reference).digest
            rows.append([scan.image.name, *map(str, [*numbers, fixed]), digest])
        return rows

    def notes(self) -> list[str]:
        """What a person should know of these numbers."""
        notes = [
            f"trivy recognized nothing in {scan.image.name}: no package of a distribution or a language"
            for scan in self.images
            if not scan.recognized
        ]
        ids = {v.id for scan in self.images for v in scan.found}
        notes += [f"ignored: {i}: {why}" for i, why in self.policy.ignore.items() if i in ids]
        unused = sorted(self.policy.ignore.keys() - ids)
        if unused:
            notes.append(f"[scan] ignore names what no image has: {', '.join(unused)}")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        refused = {(scan.image, v) for scan, v in self.too_much()}
        return {
            "environment": self.environment, "release": self.release,
            "fail_on": self.policy.fail_on, "too_much": len(self.too_much()),
            "images": [
                {
                    "services": list(scan.image.services), "image": scan.image.reference,
                    "recognized": scan.recognized,
                    "vulnerabilities": [
                        {
                            "id": v.id, "severity": v.severity, "package": v.package,
                            "installed": v.installed, "fixed": v.fixed,
                            "ignored": self.policy.ignore.get(v.id, ""),
                            "too_much": (scan.image, v) in refused,
                        }
                        for v in scan.found
                    ],
                }
                for scan in self.images
            ],
        }  # fmt: skip

    def check(self) -> None:
        """Refuse the release where it has what [scan] does not tolerate."""
        refused = self.too_much()
        if not refused:
            return
        first = "; ".join(f"{scan.image.name}: {v}" for scan, v in refused[:_NAMED])
        more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        error = Refused(
            f"release {self.release} has {len(refused)} known "
            f"{'vulnerability' if len(refused) == 1 else 'vulnerabilities'} from "
            f"{self.policy.fail_on} on: {first}{more}",
            state="untouched",
            todo="update the base image or the package and publish again, homeguru publish --env "
            f"{self.environment}; where the application is not affected, give its id and the reason under "
            "`ignore` of [scan]",
        )  # fmt: skip
        error.summary = self.to_dict()
        raise error
