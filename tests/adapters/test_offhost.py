"""Copies of backups in a real S3 stand-in: there and back, encrypted, checked, told when refused."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
from minio import Minio
from moto.server import ThreadedMotoServer

from deployments.database.backups import Backup
from deployments.environment.schema import Environment, parse_environment
from deployments.errors import Refused, StepFailed, Unreachable, WrongUse
from infra.backups.off_host import OffHost, off_host
from infra.environment.locate import Located

DUMP = b"PGDMP and a secret row\n" * 1000
KEYS = {"COPY_KEY": "AKIAEXAMPLE", "COPY_SECRET": "hunter2-hunter2"}
BUCKET = "backups"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    Minio(endpoint=f"{host}:{port}", access_key="a", secret_key="b", secure=False).make_bucket(
        bucket_name=BUCKET
    )
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class HostFolder:
    """The host's directory as a folder here: what `RemoteFiles` does by SFTP."""

    folder: Path

    def fetch(self, path: str, file: Path) -> None:
        shutil.copy(self.folder / path.lstrip("/"), file)

    def bring(self, path: str, file: Path) -> None:
        shutil.copy(file, self.folder / path.lstrip("/"))


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    (tmp_path / "srv" / "backups").mkdir(parents=True)
    (tmp_path / "srv" / "backups" / "20300101T000000Z.dump").write_bytes(DUMP)
    return HostFolder(tmp_path)


@pytest.fixture
def backup() -> Backup:
    return Backup(
        id="20300101T000000Z", at="2030-01-01T00:00:00Z", database="homeguru", release="1-x",
        revision="0001", reason="asked", run="r", server="16.4", bytes=len(DUMP),
        sha256=hashlib.sha256(DUMP).hexdigest(),
    )  # fmt: skip


def environment(**off: object) -> Environment:
    data = {
        "v": 1, "project": "p", "directory": "/srv", "push_registry": "ghcr.io",
        "pull_registry": "ghcr.io", "repository": "a/{service}", "off_host": off,
        "host": {"address": "203.0.113.7", "user": "u", "key_file": "k", "host_keys": []},
    }  # fmt: skip
    return parse_environment("prod", data, "prod.toml")


def store(endpoint: str, tmp_path: Path, **more: object) -> OffHost:
    off = {
        "to": f"s3://{BUCKET}/{tmp_path.name}", "endpoint": endpoint, "access_key": "COPY_KEY",
        "secret_key": "COPY_SECRET", **more,
    }  # fmt: skip
    found = off_host(Located(environment(**off), tmp_path / "prod.toml"), KEYS)
    assert found is not None
    return found


def test_no_place_no_copies(tmp_path):
    assert off_host(Located(environment(), tmp_path / "prod.toml"), {}) is None


def test_there_and_back(endpoint, tmp_path, host, backup):
    copies = store(endpoint, tmp_path)
    assert copies.copy(host, "/srv", backup) == "20300101T000000Z.dump"
    assert copies.listed() == [backup.id]
    described = tmp_path / "described"
    copies.store.get(f"{backup.id}.json", described)
    # The host reads all of them as lines of one text.
    assert described.read_text() == backup.model_dump_json() + "\n"
    (host.folder / "srv" / "backups" / "20300101T000000Z.dump").unlink()
    assert copies.bring(host, "/srv", backup.id, None) == backup
    brought = host.folder / "srv" / "backups" / ".20300101T000000Z.dump"
    assert brought.read_bytes() == DUMP
    assert brought.with_suffix(".json").read_text() == backup.model_dump_json() + "\n"


def test_with_a_recipient_nobody_else_can_read_it(endpoint, tmp_path, host, backup):
    identity = pyrage.x25519.Identity.generate()
    copies = store(endpoint, tmp_path, recipient=str(identity.to_public()))
    assert copies.copy(host, "/srv", backup) == "20300101T000000Z.dump.age"
    stored = tmp_path / "stored"
    copies.store.get("20300101T000000Z.dump.age", stored)
    assert stored.read_bytes().startswith(b"age-encryption.org/v1")
    assert b"secret row" not in stored.read_bytes()
    with pytest.raises(WrongUse, match="the copy is encrypted"):
        copies.bring(host, "/srv", backup.id, None)
    with pytest.raises(Refused, match="cannot be decrypted"):
        copies.bring(host, "/srv", backup.id, pyrage.x25519.Identity.generate())
    assert copies.bring(host, "/srv", backup.id, identity) == backup


def test_a_copy_that_was_changed_is_refused(endpoint, tmp_path, host, backup):
    copies = store(endpoint, tmp_path)
    copies.copy(host, "/srv", backup)
    other = tmp_path / "other"
    other.write_bytes(DUMP + b"!")
    copies.store.put("20300101T000000Z.dump", other)
    with pytest.raises(StepFailed, match="its checksum differs"):
        copies.bring(host, "/srv", backup.id, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "describes no backup: the whole file: Invalid JSON"),
        ('{"id":"20300101T000000Z"}', "describes no backup: at: Field required"),
        ("\xff", "describes no backup: the whole file"),
        ("another", "20300101T000000Z.json describes backup 20300102T000000Z"),
    ],
)
def test_what_a_store_says_of_a_copy_is_not_believed(text, said, endpoint, tmp_path, host, backup):
    copies = store(endpoint, tmp_path)
    copies.copy(host, "/srv", backup)
    wrong = tmp_path / "wrong"
    if text == "another":
        text = backup.model_copy(update={"id": "20300102T000000Z"}).model_dump_json()
    wrong.write_bytes(text.encode("latin-1"))
    copies.store.put("20300101T000000Z.json", wrong)
    with pytest.raises(Refused) as refused:
        copies.bring(host, "/srv", backup.id, None)
    assert said in str(refused.value)
    assert not list((host.folder / "srv" / "backups").glob(".*"))


def test_what_the_host_lost_on_the_way_is_not_stored(endpoint, tmp_path, host, backup):
    (host.folder / "srv" / "backups" / "20300101T000000Z.dump").write_bytes(DUMP[:-1])
    copies = store(endpoint, tmp_path)
    with pytest.raises(StepFailed, match="not what lies on the host"):
        copies.copy(host, "/srv", backup)
    assert copies.listed() == []


def test_an_unknown_backup(endpoint, tmp_path, host):
    with pytest.raises(Refused, match="the store has no backup 20200101T000000Z"):
        store(endpoint, tmp_path).bring(host, "/srv", "20200101T000000Z", None)


def test_a_bucket_that_is_not_there(endpoint, tmp_path, host, backup):
    copies = store(endpoint, tmp_path, to="s3://nowhere/x")
    with pytest.raises(Refused) as refused:
        copies.copy(host, "/srv", backup)
    assert refused.value.what == "the store refuses: NoSuchBucket"
    assert not any(value in str(refused.value) for value in KEYS.values())


def test_a_store_that_is_away(tmp_path, host, backup, monkeypatch):
    copies = store("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Unreachable) as unreachable:
        copies.copy(host, "/srv", backup)
    assert unreachable.value.what.startswith("the store does not answer")
    assert not any(value in str(unreachable.value) for value in KEYS.values())


@pytest.mark.parametrize(
    ("off", "said"),
    [
        ({"to": "s3://box/x", "access_key": "COPY_KEY", "secret_key": "OTHER"}, "secret OTHER for s3://box/x"),
        ({"to": "s3://box/x"}, "secret (no name) and (no name)"),
        ({"to": "sftp://u@host/x", "recipient": "age1x"}, "not an age recipient: 'age1x'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything(tmp_path, off, said):
    with pytest.raises(WrongUse) as wrong:
        off_host(Located(environment(**off), tmp_path / "prod.toml"), KEYS)
    assert said in wrong.value.what
    assert wrong.value.state == "untouched"


def test_a_place_of_another_kind_is_a_mistake_in_the_file():
    with pytest.raises(WrongUse, match=r"off_host\.to"):
        environment(to="ftp://host/x")


def test_an_sftp_store_without_a_pinned_key_is_refused(tmp_path, host, backup):
    found = off_host(
        Located(environment(to="sftp://u@127.0.0.1:9/x", key_file="k"), tmp_path / "e"), {}
    )
    assert found is not None
    with pytest.raises(Refused, match="no host key is pinned"):
        found.copy(host, "/srv", backup)
