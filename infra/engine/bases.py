"""Debian base images built from Debian packages, where Docker Hub cannot be reached."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from infra.engine.debian import apt_install, debian_version
from infra.machine.long_processes import CommandFailed, Say, run_long

STAND_IN_LABEL = "org.homeguru.stand-in=true"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
#: Beside the system's bundle: installing ca-certificates later would overwrite that one.
PRIVATE_BUNDLE = "/etc/ssl/certs/private-bundle.crt"
TRUST_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
#: Left out of every package, like in Docker's own slim images.
LEFT_OUT = ("doc", "man", "info", "locale", "lintian", "doc-base")


def build_base(name: str, say: Say) -> None:
    """Build `debian:<suite>-slim` as a stand-in and give it that local name.

    Trusts the certificates in SSL_CERT_FILE too, where that is set. Raises
    CommandFailed. Source: Debian's mmdebstrap (need_mmdebstrap), run as root.
    """
    suite = name.removeprefix("debian:").removesuffix("-slim")
    with tempfile.TemporaryDirectory(prefix="homeguru-base-") as folder:
        archive = Path(folder) / "base.tar"
        run_long(_mmdebstrap(suite, archive), f"building {name}", say)
        run_long(["docker", "import", *_changes(), str(archive), name], f"importing {name}", say)


def need_mmdebstrap(say: Say) -> None:
    """Install mmdebstrap where it is missing; raises CommandFailed where that cannot be."""
    if shutil.which("mmdebstrap"):
        return
    if debian_version() is None:
        reason = "no image can be pulled, and stand-ins are built only by root on Debian 12 or 13"
        raise CommandFailed(["mmdebstrap"], reason, "")
    apt_install(["mmdebstrap"], "installing mmdebstrap", say)


def private_bundle() -> Path | None:
    """Return the certificate bundle of SSL_CERT_FILE, None when there is none."""
    path = Path(os.environ.get("SSL_CERT_FILE", ""))
    return path if path.is_file() else None


def _mmdebstrap(suite: str, archive: Path) -> list[str]:
    argv = ["mmdebstrap", "--variant=minbase", "--quiet"]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in LEFT_OUT]
    argv += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    argv += ['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"']
    # Downloaded packages would only fatten the layers built on top.
    argv += ['--aptopt=DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; }']
    argv += [f"--keyring={KEYRING}"]
    if bundle := private_bundle():
        argv += ['--customize-hook=mkdir -p "$1/etc/ssl/certs"']
        argv += [
            f"--customize-hook=upload {bundle} {path}" for path in (SYSTEM_BUNDLE, PRIVATE_BUNDLE)
        ]
    argv += [suite, str(archive)]
    mirror = "http://deb.debian.org"
    argv += [f"deb {mirror}/debian {suite} main", f"deb {mirror}/debian {suite}-updates main"]
    return [*argv, f"deb {mirror}/debian-security {suite}-security main"]


def _changes() -> list[str]:
    changes = ['CMD ["bash"]', f"LABEL {STAND_IN_LABEL}"]
    if private_bundle():
        changes += [f"ENV {name}={PRIVATE_BUNDLE}" for name in TRUST_VARIABLES]
    return [word for change in changes for word in ("--change", change)]
