"""Names of images, as Docker reads them."""

from __future__ import annotations

import pytest

from deployments.image_name import digest_of, read, without_tag


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postgres:16", ("docker.io", "library/postgres", "16", "")),
        ("postgres", ("docker.io", "library/postgres", "latest", "")),
        ("library/postgres:16", ("docker.io", "library/postgres", "16", "")),
        ("bitnami/postgresql:16", ("docker.io", "bitnami/postgresql", "16", "")),
        ("docker.io/postgres:16", ("docker.io", "library/postgres", "16", "")),
        ("ghcr.io/acme/python:3.11", ("ghcr.io", "acme/python", "3.11", "")),
        ("localhost/a", ("localhost", "a", "latest", "")),
        ("localhost:5000/a/b", ("localhost:5000", "a/b", "latest", "")),
        ("registry.corp:5000/python:3.11", ("registry.corp:5000", "python", "3.11", "")),
        ("ghcr.io/a/b:1@sha256:00", ("ghcr.io", "a/b", "1", "sha256:00")),
        ("postgres@sha256:00", ("docker.io", "library/postgres", "latest", "sha256:00")),
    ],
)
def test_a_name_is_read_as_docker_reads_it(name, found):
    assert tuple(read(name)) == found


@pytest.mark.parametrize(
    ("name", "written", "digest"),
    [
        ("localhost:5000/acme/api:1.2", "localhost:5000/acme/api", ""),
        ("localhost:5000/acme/api", "localhost:5000/acme/api", ""),
        ("postgres:16@sha256:" + "a" * 64, "postgres", "sha256:" + "a" * 64),
        ("ghcr.io/acme/api@sha256:" + "b" * 64, "ghcr.io/acme/api", "sha256:" + "b" * 64),
        ("postgres", "postgres", ""),
    ],
)
def test_a_name_without_what_chooses_one_image(name, written, digest):
    """Docker's own defaults are not filled in: the name stays as people wrote it."""
    assert (without_tag(name), digest_of(name)) == (written, digest)
