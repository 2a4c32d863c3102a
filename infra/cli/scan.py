"""scan: known vulnerabilities in the images of a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.cli import layout
from infra.cli.assembled import assembled
from infra.cli.options import Env, Json, Release

if TYPE_CHECKING:
    from deployments.release.vulnerabilities import ReleaseScan

_COUNTS = ["image", "critical", "high", "medium", "low", "unknown", "with a fix", "digest"]
_NAMED = ["vulnerability", "severity", "image", "package", "installed", "fixed in"]


def scan(env: Env, release: Release = "newest", json: Json = False) -> None:
    """Find known vulnerabilities in a release's images.

    With trivy. Ends 3 where one is as severe as `fail_on` of [scan]. `current` scans what runs.
    """
    assembly = assembled(env)
    from infra.look.scan import scan_of

    found = scan_of(assembly, release, layout.errors.print)
    if not json:
        shown(found)
    found.check()
    if json:
        layout.as_json(found.to_dict())


def shown(found: ReleaseScan) -> None:
    """A table of images, and below it what a person reads one by one."""
    layout.pairs([("environment", found.environment), ("release", found.release)])
    layout.console.print()
    layout.table(_COUNTS, found.rows())
    named = [
        [v.id, v.severity, scan.image.name, v.package, v.installed, v.fixed or "none"]
        for scan, v in found.named()
    ]
    if named:
        layout.console.print()
        layout.table(_NAMED, named)
    for note in found.notes():
        layout.console.print(f"note  {note}", markup=False)
