"""The control plane's own CA, for a gateway without a public certificate."""

from __future__ import annotations

import os
from pathlib import Path

import certifi

from deployments.errors import WrongUse
from infra.cli.actions.runner import Runner

CA_FILE = "homeguru-ca.pem"


def trust(runner: Runner) -> None:
    """Trust the certificate in PREFECT_CA beside those that are trusted anyway."""
    certificate = os.environ.pop("PREFECT_CA", "").replace("\r\n", "\n").strip()
    if not certificate:
        return
    if not certificate.startswith("-----BEGIN CERTIFICATE-----"):
        raise WrongUse(
            "PREFECT_CA is not a certificate in PEM", state="not contacted",
            todo="`homeguru control-plane status`, where it was put up from, tells where it lies",
        )  # fmt: skip
    trusted = Path(os.environ.get("SSL_CERT_FILE") or certifi.where()).read_text()
    file = runner.temp / CA_FILE
    file.write_text(f"{trusted}\n{certificate}\n")
    for variable in ("SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE"):
        os.environ[variable] = str(file)
