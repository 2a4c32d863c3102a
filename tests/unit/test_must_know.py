"""A restore whose release does not know the revision of the backup is refused before anything."""

from __future__ import annotations

import pytest

from deployments.database.backups import Backup
from deployments.errors import Refused
from infra.run.migration_review import MigrationReview
from infra.run.migration_sql import MigrationSql

ID = "20300101T000000Z"


def backup(revision: str | None, release: str = "1-prod-sha-000000000001") -> Backup:
    return Backup(
        id=ID, at="2030-01-01T00:00:00Z", database="homeguru", release=release, revision=revision,
        reason="asked", run="r", server="16.4", bytes=1, sha256="0" * 64,
    )  # fmt: skip


@pytest.fixture
def asked(world, monkeypatch):
    """A review whose image knows no revision that it is asked about; which those were."""
    revisions: list[str | None] = []

    def render(_self, _target, _seen, _image, _sql, revision, _until):
        revisions.append(revision)
        raise Refused("the release does not know revision 0009", where="x")

    monkeypatch.setattr(MigrationSql, "review", render)
    host = type("Host", (), {"environment": world.environment})()
    return MigrationReview(host, None), revisions


@pytest.mark.parametrize("revision", [None, "0002"])
def test_what_is_at_the_running_revision_is_known(world, asked, revision):
    """After a rollback that kept the database, its own image knows less than the database is at."""
    reviewer, revisions = asked
    reviewer.must_know(backup(revision), world.target(), world.settled(revision="0002"))
    assert revisions == []


@pytest.mark.parametrize(
    ("release", "todo"),
    [
        ("1-prod-sha-000000000001", "homeguru rollback 1-prod-sha-000000000001 --database restore --env prod"),
        ("", f"deploy a release that knows that revision, then: homeguru restore {ID} --env prod"),
    ],
)  # fmt: skip
def test_another_revision_is_refused_with_the_release_that_knows_it(world, asked, release, todo):
    reviewer, revisions = asked
    with pytest.raises(Refused) as refused:
        reviewer.must_know(backup("0009", release), world.target(), world.settled(revision="0002"))
    assert revisions == ["0009"]
    assert f"backup {ID} is at revision 0009: the release does not know" in str(refused.value)
    assert refused.value.todo.startswith(todo)
    assert refused.value.state == f"runs {world.settled().current}, unchanged"
