"""The database's part of a release: backed up, reviewed, set aside, restored; in order, on real parts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from infra.engine.client import DockerFailed
from tests.e2e.conftest import say

pytestmark = [pytest.mark.e2e, pytest.mark.database]

releases: dict[str, str] = {}
"""Version to the release's id, as the story goes on."""


NOBODY = {"PREFECT_API_URL": ""}
"""Without a server nobody can answer but the terminal, and this one is none."""


def deploy(world, *words: str, **more: str):
    """Publish the head of the repository and deploy it; how the deploy ended."""
    name = world.publish()
    return world.homeguru("deploy", name, "--env", "sandbox", "--json", *words, **more)


def steps(ended) -> list[str]:
    return [s["step"] for s in ended.json["steps"]]


def sql(world, query: str, database: str = "homeguru") -> str:
    command = f'docker exec homeguru-postgres-1 psql -U postgres -d {database} -Atc "{query}"'
    return str(world.on_server(command)).strip()


def rows(world) -> int:
    return int(sql(world, "SELECT count(*) FROM messages"))


def write(world, count: int) -> None:
    """Rows that the api acknowledged."""
    with httpx.Client(base_url=world.info.api_url, trust_env=False) as client:
        for number in range(count):
            assert client.post("/messages", json={"text": f"row {number}"}).status_code == 201


def databases(world) -> set[str]:
    return set(sql(world, "SELECT datname FROM pg_database WHERE NOT datistemplate").split())


BELONGS = """SELECT pg_get_userbyid(datdba), datconnlimit,
  (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a), (
  SELECT string_agg(setrole::regrole || ':' || setconfig::text, ' ' ORDER BY setrole)
  FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = 'homeguru'"""
"""What belongs to a database's name, and neither a dump nor a template carries."""
SETTINGS = """ALTER DATABASE homeguru SET search_path = public, sales;
ALTER ROLE homeguru IN DATABASE homeguru SET work_mem = '5MB';
ALTER DATABASE homeguru CONNECTION LIMIT 90; ALTER DATABASE homeguru OWNER TO homeguru_owner;
REVOKE TEMPORARY ON DATABASE homeguru FROM PUBLIC"""


@pytest.fixture(scope="module")
def v1(world) -> str:
    """A release with rows, whatever an earlier file left, in a database with settings of its own."""
    world.rename("d1")
    ended = deploy(world)
    assert ended.code == 0, ended.stderr
    write(world, 20)
    for statement in SETTINGS.split(";"):
        sql(world, statement)
    # Nobody can count its rows; PostgreSQL's own tools pass it by.
    sql(world, "CREATE MATERIALIZED VIEW nobody_filled AS SELECT 1 AS n WITH NO DATA")
    releases["belongs"] = sql(world, BELONGS)
    releases["d1"] = ended.json["release"]
    return releases["d1"]


def test_an_additive_migration_is_backed_up_first_and_asks_nobody(world, v1: str) -> None:
    world.add_migration("room", "ALTER TABLE messages ADD COLUMN room text DEFAULT 'kitchen'")
    world.rename("d2")
    begin = time.monotonic()
    ended = deploy(world)
    assert ended.code == 0, ended.stderr
    releases["d2"] = ended.json["release"]
    found = steps(ended)
    assert found.index("back up database") < found.index("migrate") < found.index("replace api")
    assert not [s for s in found if s.startswith("stop ")]
    (backup,) = [b for b in world.ok("backups", "--env", "sandbox") if b["release"] == v1]
    assert world.ledger()[-1]["backup"] == backup["id"]
    assert backup["contents"]["tables"]["public.messages"]["rows"] >= 20
    took = {s["step"]: s["seconds"] for s in ended.json["steps"]}
    say(f"backup {took['back up database']:.1f} s of {time.monotonic() - begin:.0f} s")


def test_a_release_without_a_migration_neither_migrates_nor_backs_up(world) -> None:
    world.rename("d3")
    ended = deploy(world)
    assert ended.code == 0, ended.stderr
    releases["d3"] = ended.json["release"]
    assert {"migrate", "back up database", "prepare roles"} & set(steps(ended)) == set()


def test_a_destructive_migration_is_stopped_before_anything_changes(world) -> None:
    world.add_migration(
        "no_room", "ALTER TABLE messages DROP COLUMN room",
        "ALTER TABLE messages ADD COLUMN room text",
    )  # fmt: skip
    world.rename("d4")
    containers, ledger = world.containers(), world.ledger()
    ended = deploy(world, **NOBODY)
    assert ended.code == 3, ended.stdout + ended.stderr
    assert "destructive: ALTER TABLE messages DROP COLUMN room" in ended.stderr
    assert "needs approval, and there is no terminal to ask at" in ended.json["error"]
    assert "--approve REASON" in ended.json["next"]
    assert (world.containers(), world.ledger()) == (containers, ledger)
    assert world.version() == "d3"


def test_approved_it_runs_with_the_database_set_aside_meanwhile(world) -> None:
    before = rows(world)
    ended = deploy(world, "--approve", "nothing reads it since d3")
    assert ended.code == 0, ended.stderr
    releases["d4"] = ended.json["release"]
    found = steps(ended)
    order = ["stop api", "stop bot", "back up database", "set database aside", "migrate"]
    assert [s for s in found if s in order] == order
    assert world.ledger()[-1]["approval"]["reason"] == "nothing reads it since d3"
    assert databases(world) == {"postgres", "homeguru"}
    assert rows(world) == before


def test_the_release_before_cannot_keep_this_database(world) -> None:
    ended = world.homeguru("rollback", "--env", "sandbox", "--json")
    assert ended.code == 3, ended.stdout
    assert "cannot work on this database" in ended.json["error"]
    assert "ALTER TABLE messages DROP COLUMN room" in ended.json["error"]
    assert "--database restore" in ended.json["next"]
    assert world.version() == "d4"


def test_a_restore_names_what_is_lost_and_asks(world) -> None:
    write(world, 3)
    words = ("rollback", "--env", "sandbox", "--database", "restore", "--json")
    ended = world.homeguru(*words, **NOBODY)
    assert ended.code == 3, ended.stdout
    assert re.search(r"public\.messages: 3 inserted, 0 updated, 0 deleted since", ended.stderr)
    before = rows(world)
    ended = world.homeguru(*words, "--approve", "d4 was a mistake")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert ended.json["release"] == releases["d3"]
    assert world.version() == "d3"
    assert rows(world) == before - 3
    assert sql(world, "SELECT DISTINCT room FROM messages") == "kitchen"
    assert databases(world) == {"postgres", "homeguru"}
    assert sql(world, BELONGS) == releases["belongs"]
    newest = world.ok("backups", "--env", "sandbox")[-1]
    assert (newest["reason"], newest["release"]) == ("restore", releases["d4"])
    assert newest["contents"]["tables"]["public.messages"]["rows"] == before


def test_what_another_database_of_the_name_counted_is_not_believed(world, v1: str) -> None:
    """Both counted from nothing: the one that was backed up, and the one that was restored."""
    (of_v1,) = [b for b in world.ok("backups", "--env", "sandbox") if b["release"] == v1]
    words = ("restore", of_v1["id"], "--env", "sandbox", "--json")
    ended = world.homeguru(*words, **NOBODY)
    assert ended.code == 3, ended.stdout
    assert re.search(r"public\.messages: [+-]\d+ rows since, updates unknown", ended.stderr)


def test_a_failure_after_a_destructive_migration_brings_the_database_back(world) -> None:
    """Twice in one minute: what the first undo kept is not in the second one's way."""
    before = rows(world)
    broken = 'raise SystemExit("broken on purpose")\nsettings = Settings'
    with world.broken({"src/api/main.py": ("settings = Settings", broken)}, "broken"):
        for kept in (1, 2):
            ended = deploy(world, "--approve", "to see it fail")
            assert ended.code == 1, ended.stdout
            assert "broken on purpose" in ended.json["error"]
            said = "as before; what was written meanwhile is in the database homeguru_undone_"
            assert said in ended.json["server"]
            assert world.version() == "d3"
            assert rows(world) == before
            assert sql(world, "SELECT DISTINCT room FROM messages") == "kitchen"
            assert world.ledger()[-1]["outcome"] == "undone"
            assert len([d for d in databases(world) if "_undone_" in d]) == kept
            assert not [d for d in databases(world) if "_aside_" in d]
    assert sql(world, BELONGS) == releases["belongs"]
    write(world, 1)


def test_a_deployer_killed_while_it_restores_is_undone_by_the_next_run(world) -> None:
    world.ok("backup", "--env", "sandbox")
    write(world, 2)
    before, there = rows(world), world.containers()
    process = world.start("restore", "--env", "sandbox", "--approve", "to be killed")
    deadline = time.monotonic() + 90
    while '"step":"restore database"' not in world.on_server("tail -qn 1 journal/*.jsonl"):
        assert time.monotonic() < deadline, process.communicate(timeout=5)
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    wanted = releases["d4"].partition("-")[2]
    ended = world.homeguru("deploy", wanted, "--env", "sandbox", "--approve", "go on", "--json")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "never ended" in ended.stderr
    assert rows(world) == before
    assert set(world.containers()) == set(there)
    assert world.ok("verify", "--env", "sandbox")["outcome"] == "ok"
    assert not {d for d in databases(world) if "_aside_" in d or d.endswith("_restoring")}


def test_a_downgrade_by_the_newer_image(world) -> None:
    """Now at d4 again; its way back is its own downgrade()."""
    write(world, 1)
    before = rows(world)
    words = ("rollback", releases["d3"], "--env", "sandbox", "--database", "downgrade", "--json")
    ended = world.homeguru(*words, "--approve", "room comes back empty")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "downgrade" in steps(ended)
    assert world.version() == "d3"
    assert rows(world) == before
    assert sql(world, "SELECT count(room) FROM messages") == "0"


def test_a_backup_of_a_schema_that_the_release_does_not_know_is_refused(world) -> None:
    """Made under d4, and d3 runs: its migrations end before."""
    now = sql(world, "SELECT version_num FROM alembic_version")
    later = [b for b in world.ok("backups", "--env", "sandbox") if b["revision"] > now][-1]
    name = later["id"]
    before = rows(world)
    ended = world.homeguru("restore", name, "--env", "sandbox", "--approve", "x", "--json")
    assert ended.code == 3, ended.stdout
    assert f"backup {name} is at revision {later['revision']}" in ended.json["error"]
    assert later["release"] in ended.json["next"]
    assert (rows(world), world.version()) == (before, "d3")


def test_a_backup_that_was_changed_is_refused(world) -> None:
    made = world.ok("backup", "--env", "sandbox")
    assert made["steps"][0]["step"] == "back up database"
    name = world.ok("backups", "--env", "sandbox")[-1]["id"]
    world.on_server(f"printf x >> backups/{name}.dump")
    before = rows(world)
    ended = world.homeguru("restore", name, "--env", "sandbox", "--approve", "x", "--json")
    assert ended.code == 1, ended.stdout
    assert f"backup {name} is not what was written" in ended.json["error"]
    assert "as before" in ended.json["server"]
    assert (rows(world), world.version()) == (before, "d3")


def fresh(world) -> str:
    """A backup of now; its id."""
    world.ok("backup", "--env", "sandbox")
    return str(world.ok("backups", "--env", "sandbox")[-1]["id"])


def test_a_backup_of_another_major_version_is_refused(world) -> None:
    name = fresh(world)
    before = world.on_server(f"cat backups/{name}.json")
    world.on_server(f"""sed -i 's/"server":"16/"server":"15/' backups/{name}.json""")
    assert '"server":"15' in world.on_server(f"cat backups/{name}.json")
    try:
        words = ("restore", name, "--env", "sandbox", "--approve", "x", "--json")
        ended = world.homeguru(*words)
    finally:
        world.on_server(f"printf '%s' '{before}' > backups/{name}.json")
    assert ended.code == 3, ended.stdout
    assert f"backup {name} is of PostgreSQL 15, and 16 runs" in ended.json["error"]
    assert "unchanged" in ended.json["server"]


@pytest.fixture
def prepared(world) -> Iterator[None]:
    """A transaction that somebody prepared and did not end: no session that can be shut."""
    restart = "docker restart homeguru-postgres-1 >/dev/null"
    world.sql("ALTER SYSTEM SET max_prepared_transactions = 2")
    world.on_server(restart)
    wait_for(lambda: world.sql("BEGIN; PREPARE TRANSACTION 'somebodys'; SELECT 1") == "1")
    yield
    world.sql("ROLLBACK PREPARED 'somebodys'")
    world.sql("ALTER SYSTEM RESET max_prepared_transactions")
    world.on_server(restart)
    wait_for(lambda: world.sql("SELECT 1") == "1")


def wait_for(what, seconds: float = 30) -> None:
    """Until it is true; what cannot be asked yet is not."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(DockerFailed):
            if what():
                return
        assert time.monotonic() < deadline, "never true"
        time.sleep(0.5)


def test_a_database_that_somebody_else_keeps_in_use_is_left_as_it_was(world, prepared) -> None:
    name = fresh(world)
    before = rows(world), databases(world), world.version()
    ended = world.homeguru("restore", name, "--env", "sandbox", "--approve", "x", "--json")
    assert ended.code == 1, ended.stdout
    assert "database homeguru is in use and cannot be exchanged" in ended.json["error"]
    assert "as before" in ended.json["server"]
    assert (rows(world), databases(world), world.version()) == before


def test_an_unknown_backup_lists_the_nearest(world) -> None:
    ended = world.homeguru("restore", "20200101T000000Z", "--env", "sandbox", "--json")
    assert ended.code == 3, ended.stdout
    assert "there is no backup 20200101T000000Z" in ended.json["error"]
    assert "choose one of: 2" in ended.json["next"]


def test_what_crashes_in_its_bake_window_is_undone(world) -> None:
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace("[host]", "bake_minutes = 1\n\n[host]", 1))
    late = "import os, threading\nthreading.Timer(20, os._exit, [1]).start()\nsettings = Settings"
    try:
        with world.broken({"src/api/main.py": ("settings = Settings", late)}, "crashes later"):
            ended = deploy(world, "--approve", "the drop of d4 comes with it")
    finally:
        file.write_text(text)
    assert ended.code == 1, ended.stdout
    assert re.search("crashed while it was watched: api|verification failed: api", ended.stderr)
    assert "as before" in ended.json["server"]
    assert world.version() == "d3"
    assert world.ledger()[-1]["outcome"] == "undone"


def test_a_migration_that_fails_on_the_rows_is_found_on_a_restored_copy(world) -> None:
    """Squawk reads statements; that rows stand in the way is only seen where they are."""
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(f'{text}\n[backup]\nverify = "restore"\n')
    before, there, ledger = rows(world), world.containers(), len(world.ledger())
    known = databases(world)
    world.add_migration("none", "ALTER TABLE messages ADD CONSTRAINT none CHECK (id < 0)")
    try:
        with world.broken({"src/version.py": ('"d4"', '"d5"')}, "rooms"):
            ended = deploy(world, "--approve", "to see it tried")
    finally:
        file.write_text(text)
    assert ended.code == 1, ended.stdout
    assert "the migration does not work on a restored copy" in ended.json["error"]
    assert "is violated by some row" in ended.json["error"]
    assert (rows(world), set(world.containers())) == (before, set(there))
    assert world.version() == "d3"
    assert [line["outcome"] for line in world.ledger()[ledger:]] == ["undone"]
    assert databases(world) == known


def take_containers_and_records(world) -> None:
    """Compose's `down`, or a ledger that was lost: no container is there to say what it holds."""
    world.on_server(
        "docker ps -aq --filter label=com.docker.compose.project=homeguru | xargs -r docker rm -f "
        "&& rm -rf releases.jsonl releases current journal"
    )


def containers(world) -> str:
    return str(
        world.on_server("docker ps -aq --filter label=com.docker.compose.project=homeguru")
    ).strip()


def test_data_without_containers_is_looked_into_and_loses_nothing_unasked(world, v1: str) -> None:
    """It was taken for an empty database, and the column was dropped."""
    releases["revision"] = sql(world, "SELECT version_num FROM alembic_version")
    take_containers_and_records(world)
    world.add_migration("forgets", "ALTER TABLE messages DROP COLUMN text")
    broken = 'raise SystemExit("broken on purpose")\nsettings = Settings'
    with world.broken({"src/api/main.py": ("settings = Settings", broken)}, "forgets"):
        name = world.publish()
    plan = world.ok("plan", name, "--env", "sandbox")
    assert any("a volume with data is there: homeguru_postgres-data" in n for n in plan["notes"])
    assert containers(world) == ""
    ended = world.homeguru("deploy", name, "--env", "sandbox", "--json", **NOBODY)
    assert ended.code == 3, ended.stdout + ended.stderr
    assert "destructive: ALTER TABLE messages DROP COLUMN text" in ended.stderr
    assert containers(world) == ""
    ended = world.homeguru(
        "deploy", name, "--env", "sandbox", "--json", "--approve", "to see it fail"
    )
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "broken on purpose" in ended.json["error"]
    assert "what was written meanwhile is in the database homeguru_undone_" in ended.json["server"]
    assert containers(world) == ""


def test_data_without_containers_goes_on_from_its_own_revision(world, v1: str) -> None:
    take_containers_and_records(world)
    # Of what other tests left undone, something may still be dropped: that is asked about.
    ended = deploy(world, "--approve", "known")
    assert ended.code == 0, ended.stderr
    assert world.ledger()[-1]["revision"]["before"] == releases["revision"]
    # What the undone release dropped came back with the database of before.
    assert sql(world, "SELECT count(text) >= 20 FROM messages") == "t"
