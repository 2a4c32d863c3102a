"""What trivy reports, read by a grammar, counted by image, and held against [scan]."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.environment.policy import ScanPolicy
from deployments.errors import HomeguruError, Refused, WrongUse, as_dict
from deployments.release.manifest import Manifest, ServiceImage
from deployments.release.vulnerabilities import (
    ReleaseImage,
    ReleaseScan,
    platform_of,
    read_report,
    release_images,
)

DIGEST = f"sha256:{'a' * 64}"
API = ReleaseImage(("api", "worker"), f"ghcr.io/acme/homeguru-api@{DIGEST}")


def vulnerability(name: str, severity: str, **more: str) -> dict[str, Any]:
    """With the keys that trivy prints and nobody here reads."""
    return {
        "VulnerabilityID": name, "PkgID": "openssl@3.0.15-1~deb12u1", "PkgName": "openssl",
        "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.15-1~deb12u1"},
        "InstalledVersion": "3.0.15-1~deb12u1", "Status": "fixed", "SeveritySource": "debian",
        "PrimaryURL": f"https://avd.aquasec.com/nvd/{name.lower()}", "Severity": severity,
        "Title": "openssl: \u2028 a title", "CVSS": {"nvd": {"V3Score": 9.8}}, **more,
    }  # fmt: skip


def report(*found: dict[str, Any], **more: Any) -> str:
    results = [
        {"Target": "x (debian 12.8)", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": list(found)},
        {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg"},
    ]  # fmt: skip
    return json.dumps(
        {
            "SchemaVersion": 2, "CreatedAt": "2030-01-01T00:00:00Z", "ArtifactName": "x",
            "ArtifactType": "container_image", "Metadata": {"OS": {"Family": "debian"}},
            "Results": results, **more,
        }
    )  # fmt: skip


FOUND = (
    vulnerability("CVE-2030-0001", "LOW", FixedVersion="3.0.16"),
    vulnerability("CVE-2030-0002", "CRITICAL", FixedVersion="3.0.16"),
    vulnerability("CVE-2030-0003", "CRITICAL"),
    vulnerability("GHSA-2c4m-59x9-fr2g", "HIGH", FixedVersion="1.2, 2.0"),
    vulnerability("TEMP-0841856-B18BAF", "UNKNOWN", FixedVersion="3"),
)


def scan(*found: dict[str, Any], **policy: Any) -> ReleaseScan:
    images = (read_report(report(*found), API),)
    return ReleaseScan("prod-sha-0123456789ab", "prod", ScanPolicy(**policy), images)


def test_counted_by_severity_with_what_can_be_updated() -> None:
    assert scan(*FOUND).rows() == [["api, worker", "2", "1", "0", "1", "1", "4", DIGEST]]


def test_the_same_of_one_package_counts_once() -> None:
    assert scan(FOUND[0], FOUND[0]).rows()[0][4] == "1"
    assert scan(FOUND[0], {**FOUND[0], "PkgName": "libssl3"}).rows()[0][4] == "2"


@pytest.mark.parametrize(
    ("policy", "ids"),
    [
        ({}, []),
        ({"fail_on": "critical"}, ["CVE-2030-0002"]),
        ({"fail_on": "critical", "ignore_unfixed": False}, ["CVE-2030-0002", "CVE-2030-0003"]),
        ({"fail_on": "high"}, ["CVE-2030-0002", "GHSA-2c4m-59x9-fr2g"]),
        ({"fail_on": "medium"}, ["CVE-2030-0002", "GHSA-2c4m-59x9-fr2g"]),
        ({"fail_on": "low"}, ["CVE-2030-0002", "GHSA-2c4m-59x9-fr2g", "CVE-2030-0001"]),
        ({"fail_on": "high", "ignore": {"CVE-2030-0002": "no TLS here"}}, ["GHSA-2c4m-59x9-fr2g"]),
    ],
)
def test_what_is_too_much(policy: dict[str, Any], ids: list[str]) -> None:
    found = scan(*FOUND, **policy)
    assert [v.id for _, v in found.too_much()] == ids
    if not ids:
        found.check()
        return
    with pytest.raises(Refused) as caught:
        found.check()
    assert caught.value.exit_code == 3
    noun = "vulnerability" if len(ids) == 1 else "vulnerabilities"
    assert caught.value.what.startswith(
        f"release prod-sha-0123456789ab has {len(ids)} known {noun} from {policy['fail_on']} on: "
        f"api, worker: {ids[0]} ("
    )
    document = as_dict(caught.value)
    assert document["too_much"] == len(ids)
    refused = [v["id"] for v in document["images"][0]["vulnerabilities"] if v["too_much"]]
    assert refused == ids


def test_five_are_named_and_the_others_counted() -> None:
    many = [vulnerability(f"CVE-2030-{n:04}", "HIGH", FixedVersion="9") for n in range(7)]
    with pytest.raises(Refused, match="; and 2 more\n") as caught:
        scan(*many, fail_on="high").check()
    assert caught.value.what.count("CVE-") == 5


def test_what_is_ignored_is_not_counted_and_its_reason_is_shown() -> None:
    found = scan(*FOUND, ignore={"CVE-2030-0002": "no TLS here", "CVE-2029-1": "gone"})
    assert found.rows()[0][1:3] == ["1", "1"]
    assert found.notes() == [
        "ignored: CVE-2030-0002: no TLS here",
        "[scan] ignore names what no image has: CVE-2029-1",
    ]
    assert found.to_dict()["images"][0]["vulnerabilities"][0]["ignored"] == "no TLS here"


def test_an_image_in_which_trivy_knows_nothing_is_not_called_clean() -> None:
    for text in (report(Results=[]), report(Results=None), '{"SchemaVersion": 2}'):
        images = (read_report(text, API),)
        found = ReleaseScan("prod-sha-0123456789ab", "prod", ScanPolicy(), images)
        assert found.notes() == [
            "trivy recognized nothing in api, worker: no package of a distribution or a language"
        ]
    assert scan().notes() == []


@pytest.mark.parametrize(
    "text",
    [
        "", "2030-01-01 FATAL", "[]", "null", "{}", report(SchemaVersion=3), report(Results={}),
        report(vulnerability("CVE-2030-1", "SEVERE")), report(vulnerability("CVE\x1b[31m", "LOW")),
        report(vulnerability("CVE-2030-1", "LOW", PkgName="a\nb")), report(vulnerability("", "LOW")),
        report(vulnerability("CVE-2030-1", "LOW", FixedVersion="1" * 1001)), report({"Severity": "LOW"}),
    ],
)  # fmt: skip
def test_what_is_no_report_is_one_clear_error(text: str) -> None:
    with pytest.raises(HomeguruError) as caught:
        read_report(text, API)
    error = caught.value
    assert error.what.startswith("trivy's report on api, worker is not of the form that is known: ")
    assert "\n" not in error.what and "\x1b" not in error.what
    assert error.where == API.reference


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"fail_on": "severe"}, "fail_on"),
        ({"ignore": {"CVE-2030-1": " "}}, "a reason is needed"),
        ({"ignore": {"CVE 2030": "x"}}, "an id reads"),
        ({"ignore": ["CVE-2030-1"]}, "ignore"),
        ({"fail": "high"}, "fail"),
    ],
)
def test_a_wrong_table_is_named(make_environment, table: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        make_environment(scan=table)


def release(**services: ServiceImage) -> Manifest:
    return Manifest.nothing().model_copy(update={"services": services})


def test_each_image_once_as_this_machine_reaches_it(make_environment, digest) -> None:
    environment = make_environment(
        push_registry="127.0.0.1:5001", pull_registry="localhost:5000",
        images={"mirror": "localhost:5000/acme/mirror:1"},
    )  # fmt: skip
    manifest = release(
        api=ServiceImage(repository="acme/homeguru-api", digest=digest("api"), built=True),
        edge=ServiceImage(repository="library/haproxy", digest=digest("edge"), built=False),
        mirror=ServiceImage(repository="acme/mirror", digest=digest("mirror"), built=False),
        postgres=ServiceImage(repository="library/postgres", digest=digest("pg"), built=False),
        replica=ServiceImage(repository="library/postgres", digest=digest("pg"), built=False),
        former=ServiceImage(repository="library/redis", digest=digest("redis"), built=False),
    )
    infrastructure = {
        "edge": "docker.io/library/haproxy:3.0", "postgres": "postgres:16", "replica": "docker.io/library/postgres:16",
    }  # fmt: skip
    found = release_images(environment, infrastructure, manifest, "127.0.0.1:5001", {})
    assert [(i.name, i.reference) for i in found] == [
        ("api", f"127.0.0.1:5001/acme/homeguru-api@{digest('api')}"),
        ("edge", f"docker.io/library/haproxy@{digest('edge')}"),
        ("mirror", f"127.0.0.1:5001/acme/mirror@{digest('mirror')}"),
        ("postgres, replica", f"docker.io/library/postgres@{digest('pg')}"),
    ]
    # A deploy leaves the database's image as it is.
    running = {"postgres": f"docker.io/library/postgres@{digest('older')}"}
    found = release_images(environment, infrastructure, manifest, "127.0.0.1:5001", running)
    assert ("postgres", running["postgres"]) in [(i.name, i.reference) for i in found]


@pytest.mark.parametrize(
    ("index", "platform"),
    [
        ({}, ""),
        ({"manifests": "x"}, ""),
        ({"manifests": ["x", {}, {"platform": "x"}]}, ""),
        ({"manifests": [{"platform": {"os": "linux", "architecture": "arm64 --x"}}]}, ""),
        (
            {
                "manifests": [
                    {"platform": {"os": "unknown", "architecture": "unknown"}},
                    {"platform": {"os": "linux", "architecture": "arm64"}},
                ]
            },
            "linux/arm64",
        ),
    ],
)
def test_the_platform_that_an_index_names(index: dict[str, Any], platform: str) -> None:
    assert platform_of(index) == platform
