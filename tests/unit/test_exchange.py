"""Plans that change the database, and the way back they keep to it as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.compose.reader import parse_stack
from deployments.database.backups import Backup, Contents, Loss, Made
from deployments.database.change import KEEP, DataChange
from deployments.database.migration_review import Finding, Migration, unreadable
from deployments.environment.policy import BackupPolicy
from deployments.errors import WrongUse
from deployments.planning import retention
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.plan import WatchStep

SQL = "ALTER TABLE users ADD COLUMN note TEXT;"
DROP = Finding("destructive", "ALTER TABLE users DROP COLUMN name", "it may break clients")
INDEX = Finding("blocking", "CREATE INDEX ix ON users (name)", "updates are blocked")
ADDITIVE = DataChange("migrate", Migration(SQL, "0003"))
BLOCKING = DataChange("migrate", Migration(SQL, "0003", (INDEX,)))
DESTRUCTIVE = DataChange("migrate", Migration(SQL, "0003", (DROP,)))
NONE_DUE = DataChange("migrate", Migration("BEGIN;\n\nCOMMIT;\n"))
DOWNGRADE = DataChange("downgrade", Migration(SQL), to="0001")
BACKUP = Backup(
    id="20300101T000000Z", at="2030-01-01T00:00:00Z", database="homeguru",
    release="1-prod-sha-0123456789ab", revision="0001", reason="migration", run="run-1",
    server="16.14", bytes=2**20, sha256="ab",
)  # fmt: skip
RESTORE = DataChange("restore", backup=BACKUP, losses=(Loss("users", 1, 2, 3, known=True),))
RUN = "0a1b2c3d-0000-4000-8000-000000000000"
GIB = 2**30


@pytest.fixture
def plan(world):
    """A plan with a change of the database; by default of a release with another api."""

    def make(data, verb="deploy", *, seen=None, target=None, unfinished=""):
        target = target or world.target(api="api-2")
        planner = world.planner(target, seen or world.settled(), verb=verb)
        request = replace(planner.request, data=data, unfinished=unfinished)
        return replace(planner, request=request).plan()

    return make


TOGETHER = ("start new containers", "replace api", "replace bot", "drain old containers")
"""Steps of a plan that replaces api and bot, which were stopped."""


def names(plan):
    return [step.name for step in plan.steps]


def reasons(plan):
    return {step.name: step.reason for step in plan.steps}


def scripts(plan):
    return {step.name: step.script.text for step in plan.script_steps}


# -- forward --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, DataChange("migrate"), ADDITIVE, BLOCKING])
def test_a_migration_that_loses_nothing_is_backed_up_and_stops_nobody(plan, data):
    assert names(plan(data)) == [
        "upload", "pull", "back up database", "prepare roles", "migrate", "replace api", "verify",
    ]  # fmt: skip


def test_what_its_steps_say(world, plan):
    made = plan(ADDITIVE, seen=world.settled(database_bytes=70 * 2**20))
    assert reasons(made)["back up database"] == "before the migration"
    assert reasons(made)["migrate"] == "from 0002 to 0003, by api's image"
    assert ("back up database", "before the migration, about 70 MB") in made.lines()


def test_what_uses_the_database_and_owns_state_starts_on_the_database_that_will_be(
    world, plan, compose_config
):
    """Started before it, it would be stopped for the exchange, and never start again."""
    own = compose_config["x-deploy"]["infrastructure"]
    config = {**compose_config, "x-deploy": {**compose_config["x-deploy"]}}
    config["x-deploy"]["infrastructure"] = {**own, "bot": own["postgres"]}
    world.stack = parse_stack("", config, "compose.yml")
    target = world.target()
    found = names(plan(RESTORE, "restore", target=target))
    assert found.index("stop bot") < found.index("restore database") < found.index("recreate bot")
    seen = world.settled(aside=(f"aside_{RUN[-12:]}",))
    undone = names(plan(KEEP, "undo", target=target, seen=seen, unfinished=RUN))
    assert undone.index("stop bot") < undone.index("bring database back")
    assert undone.index("bring database back") < undone.index("recreate bot")


@pytest.fixture
def restored(world):
    """Backups are verified by a restore."""
    policy = BackupPolicy(verify="restore")
    world.environment = world.environment.model_copy(update={"backup": policy})
    return world


def test_a_migration_is_tried_where_its_backup_is_restored(restored, plan):
    made = plan(ADDITIVE)
    assert reasons(made)["back up database"] == "before the migration, which is tried on it"
    last = scripts(made)["back up database"].splitlines()[-1]
    assert last.endswith(" restore .incoming/token/migration.sql")
    planner = restored.planner(restored.target(api="api-2"), restored.settled())
    planner = replace(planner, request=replace(planner.request, data=ADDITIVE))
    assert planner.files(made, "anna", "run-1")["migration.sql"] == SQL


def test_what_has_no_sql_is_not_tried(restored, plan):
    made = plan(DataChange("migrate", unreadable("it asks the database")))
    assert reasons(made)["back up database"] == "before the migration"
    assert scripts(made)["back up database"].splitlines()[-1].endswith(" restore ''")


def test_a_restore_tries_nothing(restored, plan):
    assert reasons(plan(RESTORE, "rollback"))["back up database"] == "before the restore"


@pytest.mark.parametrize("data", [NONE_DUE, KEEP])
def test_a_release_without_a_migration_neither_migrates_nor_backs_up(plan, data):
    made = plan(data)
    assert names(made) == ["upload", "pull", "replace api", "verify"]
    assert made.asks == ()


def test_a_migration_alone_that_has_nothing_to_do(plan):
    assert plan(NONE_DUE, "migrate").steps == ()


@pytest.mark.parametrize("data", [DESTRUCTIVE, DataChange("migrate", unreadable("no option"))])
def test_a_migration_that_loses_something_has_the_database_to_itself(plan, data):
    made = plan(data)
    assert names(made) == [
        "upload", "pull", "stop api", "stop bot", "back up database", "set database aside",
        "prepare roles", "migrate", *TOGETHER, "verify",
    ]  # fmt: skip
    assert reasons(made)["replace bot"] == "stopped while the database changed (stop first)"
    assert "bot" not in dict(made.unchanged)
    assert "frontend" in dict(made.unchanged)


def test_the_users_start_again_in_the_order_of_replacement(world, plan):
    made = plan(DESTRUCTIVE, target=world.target(frontend="frontend-2"))
    assert [n for n in names(made) if n.startswith("replace")] == [
        "replace api", "replace frontend", "replace bot",
    ]  # fmt: skip


def test_who_is_not_there_is_not_stopped(world, plan):
    seen = world.settled()
    seen = replace(seen, containers=tuple(c for c in seen.containers if c.service != "bot"))
    made = plan(DESTRUCTIVE, seen=seen)
    assert [n for n in names(made) if "bot" in n] == ["start bot"]


def test_without_backups_before_migrations_there_is_none(world, make_environment, plan):
    world.environment = make_environment(backup={"before_migration": False})
    assert "back up database" not in names(plan(ADDITIVE))
    assert "back up database" not in names(plan(ADDITIVE, "migrate"))


@pytest.mark.parametrize(
    ("data", "verb"), [(DESTRUCTIVE, "deploy"), (DOWNGRADE, "rollback"), (RESTORE, "restore")]
)
def test_what_takes_the_database_to_itself_is_backed_up_all_the_same(
    world, make_environment, plan, data, verb
):
    world.environment = make_environment(backup={"before_migration": False})
    assert "back up database" in names(plan(data, verb))


def test_a_fresh_database_has_nothing_to_lose(world, plan):
    made = plan(DataChange("migrate"), seen=world.bare)
    assert names(made) == [
        "upload", "pull", "start new containers", "start postgres", "prepare roles", "migrate", "start edge",
        "start new containers", "start api", "start frontend", "start bot", "verify",
    ]  # fmt: skip
    assert reasons(made)["migrate"] == "from an empty database, by api's image"


def test_a_database_that_was_never_migrated_has_nothing_to_lose(world, plan):
    made = plan(DataChange("migrate"), seen=world.settled(revision=None), target=world.target())
    assert names(made) == ["upload", "prepare roles", "migrate", "verify"]


def test_a_recreated_database_is_backed_up_before_its_migration(world):
    """Its container is another one, its data is the same."""
    made = world.plan(
        world.target(api="api-2"), world.settled(), world.candidate({"postgres": "other"})
    )
    assert names(made) == [
        "upload", "pull", "recreate postgres", "back up database", "prepare roles", "migrate",
        "replace api", "verify",
    ]  # fmt: skip


def test_rotated_passwords_and_a_migration_set_the_roles_once(world):
    candidate = world.candidate(DATABASE_PASSWORD="new")
    made = world.plan(world.target(api="api-2"), world.settled(), candidate)
    assert names(made).count("prepare roles") == 1
    assert reasons(made)["prepare roles"] == "passwords changed: DATABASE_PASSWORD"


# -- back -----------------------------------------------------------------------------


def test_a_rollback_that_keeps_the_database(plan):
    assert names(plan(KEEP, "rollback")) == ["upload", "pull", "replace api", "verify"]


def test_a_rollback_that_restores(plan):
    made = plan(RESTORE, "rollback")
    assert names(made) == [
        "upload", "pull", "stop api", "stop bot", "back up database", "restore database",
        "prepare roles", *TOGETHER, "verify",
    ]  # fmt: skip
    assert reasons(made)["back up database"] == "before the restore"
    assert reasons(made)["restore database"] == "backup 20300101T000000Z, revision 0001"


def test_a_rollback_that_downgrades_is_done_by_the_image_that_runs(world, plan):
    made = plan(DOWNGRADE, "rollback")
    assert names(made) == [
        "upload", "pull", "stop api", "stop bot", "back up database", "set database aside",
        "prepare roles", "downgrade", *TOGETHER, "verify",
    ]  # fmt: skip
    assert reasons(made)["downgrade"] == "from 0002 to 0001, by the running api"
    script = scripts(made)["downgrade"]
    assert "alembic downgrade 0001" in script
    assert world.settled().of("api")[0].ref in script
    assert dict(made.images)["api"] not in script


def test_a_restore_is_migrated_to_the_release_that_goes_on_with_it(world, plan):
    made = plan(RESTORE, "restore", target=world.target())
    assert names(made) == [
        "upload", "stop api", "stop bot", "back up database", "restore database",
        "prepare roles", "migrate", *TOGETHER, "verify",
    ]  # fmt: skip
    assert reasons(made)["migrate"] == "from 0001, by api's image"


def test_a_restore_at_the_revision_that_runs_is_not_migrated(world, plan):
    """After a rollback that left the schema, the image does not know the revision that it works with."""
    same = replace(RESTORE, backup=BACKUP.model_copy(update={"revision": "0002"}))
    assert "migrate" not in names(plan(same, "restore", target=world.target()))


def test_a_backup_alone(world):
    planner = world.planner(world.target(), world.settled(), verb="backup")
    request = replace(planner.request, data=KEEP, reason="asked")
    [step] = replace(planner, request=request).plan().steps
    assert (step.name, step.reason, step.about) == ("back up database", "asked", "about 1 MB")
    assert '"reason":"asked"' in step.script.text
    assert '"revision":"0002"' in step.script.text


def test_nothing_of_it_without_a_database(world, compose_config, plan):
    deploy = world.stack.deploy.model_copy(update={"database": None, "migrate": None})
    world.stack = replace(world.stack, deploy=deploy)
    assert names(plan(None)) == ["upload", "pull", "replace api", "verify"]


# -- undo -----------------------------------------------------------------------------


def test_an_undo_brings_back_what_its_run_set_aside(world, plan):
    seen = world.settled(aside=("aside_ffffffffffff", f"aside_{RUN[-12:]}"))
    made = plan(KEEP, "undo", seen=seen, target=world.target(), unfinished=RUN)
    assert names(made) == [
        "restore files", "stop api", "stop bot", "bring database back", "prepare roles",
        *TOGETHER,
    ]  # fmt: skip
    assert f"bring_database_back {RUN}" in scripts(made)["bring database back"]
    assert made.asks == ()


def test_what_runs_to_its_end_does_not_do_so_on_the_way_back(world, plan):
    """It was never stopped, and would change once more what has just come back."""
    services = dict(world.stack.services)
    services["bot"] = replace(services["bot"], runs_once=True, start_first=False)
    world.stack = replace(world.stack, services=services)
    ended = world.changed("bot", state="exited", health="", exit_code=0)
    seen = world.settled(containers=ended, aside=(f"aside_{RUN[-12:]}",))
    undone = names(plan(KEEP, "undo", seen=seen, target=world.target(), unfinished=RUN))
    assert "bring database back" in undone
    assert "complete bot" not in undone
    assert "complete bot" in names(plan(RESTORE, "restore", seen=seen, target=world.target()))


@pytest.mark.parametrize("unfinished", [RUN, ""])
def test_what_another_run_set_aside_is_no_part_of_an_undo(world, plan, unfinished):
    seen = world.settled(aside=("aside_ffffffffffff",))
    assert plan(KEEP, "undo", seen=seen, target=world.target(), unfinished=unfinished).steps == ()


def test_what_another_run_set_aside_stays_out_of_a_deploy(world, plan):
    made = plan(ADDITIVE, seen=world.settled(aside=(f"aside_{RUN[-12:]}",)))
    assert made.steps == plan(ADDITIVE).steps


# -- what is approved -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "verb"), [(DESTRUCTIVE, "deploy"), (DOWNGRADE, "rollback"), (RESTORE, "restore")]
)
def test_a_database_that_grows_meanwhile_is_the_same_plan(world, plan, data, verb):
    small, big = world.settled(database_bytes=1), world.settled(database_bytes=3 * GIB)
    assert plan(data, verb, seen=small).fingerprint == plan(data, verb, seen=big).fingerprint
    assert plan(data, verb, seen=big).lines() != plan(data, verb, seen=small).lines()


def test_what_a_run_set_aside_is_known_by_the_end_of_its_name(world, plan):
    """Prefect's run ids begin with the time (UUID 7): two of one minute begin alike."""
    other = RUN[:-12] + "ffffffffffff"
    seen = world.settled(aside=(f"aside_{RUN[-12:]}",))
    assert plan(KEEP, "undo", seen=seen, target=world.target(), unfinished=other).steps == ()


def test_a_name_that_leaves_no_room_for_another_beside_it_is_refused(world):
    target = world.target(variables={"DATABASE_NAME": "d" * 41})
    with pytest.raises(WrongUse, match="more than 40 bytes"):
        _ = DatabaseSteps(target, world.settled()).on


def test_a_bigger_database_has_more_time(world, plan):
    def seconds(size):
        made = plan(DESTRUCTIVE, seen=world.settled(database_bytes=size))
        return {s.name: s.script.timeout for s in made.script_steps}

    assert seconds(0)["back up database"] == seconds(0)["set database aside"] == 600
    assert seconds(100 * 1_600_000)["back up database"] == 700


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "1 MB"), (70 * 2**20, "70 MB"), (GIB, "1.0 GB"), (5 * GIB // 2, "2.5 GB")],
)
def test_the_size_that_people_read(world, plan, size, said):
    made = plan(ADDITIVE, seen=world.settled(database_bytes=size))
    assert ("back up database", f"before the migration, about {said}") in made.lines()


def test_a_plan_shows_what_it_asks(plan):
    made = plan(DESTRUCTIVE)
    asked = "destructive: ALTER TABLE users DROP COLUMN name (it may break clients)"
    assert made.lines()[-1] == ("needs approval", asked)
    assert made.to_dict()["asks"] == [asked]


def test_a_restore_asks_and_an_additive_migration_does_not(plan):
    assert plan(ADDITIVE).to_dict()["asks"] == []
    [asked] = plan(RESTORE, "restore").asks
    assert asked.endswith("is taken back: users: 1 inserted, 2 updated, 3 deleted since")


def test_an_empty_plan_asks_nothing(world, plan):
    assert plan(DataChange("keep", unreadable("?")), target=world.target()).asks == ()


# -- afterwards -----------------------------------------------------------------------


@pytest.fixture
def tidy(world, plan):
    """The text of the tidying script; empty when there is none."""

    def make(data, verb="deploy", made=None, **changes):
        seen = world.settled(**changes)
        script = retention.tidy(world.target(), seen, plan(data, verb, seen=seen), made)
        return script.text if script else ""

    return make


def test_nothing_to_tidy(tidy):
    assert tidy(ADDITIVE) == ""
    assert tidy(ADDITIVE, made=Made("20300102T000000Z"), backups=(BACKUP,)) == ""


def test_backups_beyond_the_policy_go(world, make_environment, tidy):
    world.environment = make_environment(backup={"keep": 1})
    text = tidy(ADDITIVE, made=Made("20300102T000000Z"), backups=(BACKUP,))
    assert text.endswith("prune_backups 20300102T000000Z 20300101T000000Z\n")
    assert "drop_databases_aside" not in text


@pytest.mark.parametrize(
    ("data", "verb"), [(DESTRUCTIVE, "deploy"), (DOWNGRADE, "rollback"), (RESTORE, "restore")]
)
def test_what_the_run_set_aside_goes(tidy, data, verb):
    assert tidy(data, verb).endswith("\ndrop_databases_aside\n")


def test_what_an_earlier_run_left_aside_goes(tidy):
    assert tidy(ADDITIVE, aside=("aside_ffffffffffff",)).endswith("\ndrop_databases_aside\n")


@pytest.mark.parametrize("verb", ["backup", "migrate"])
def test_a_run_that_makes_no_release_leaves_what_lies_aside(tidy, verb):
    assert tidy(ADDITIVE, verb, aside=("aside_ffffffffffff",)) == ""


def test_both_go_in_one_script(world, make_environment, tidy):
    world.environment = make_environment(backup={"keep": 1})
    text = tidy(DESTRUCTIVE, made=Made("20300102T000000Z"), backups=(BACKUP,))
    assert text.endswith(
        "\ndrop_databases_aside\nprune_backups 20300102T000000Z 20300101T000000Z\n"
    )


def test_nothing_is_tidied_without_a_database(world, tidy):
    deploy = world.stack.deploy.model_copy(update={"database": None, "migrate": None})
    world.stack = replace(world.stack, deploy=deploy)
    assert tidy(None, aside=("aside_ffffffffffff",), backups=(BACKUP,)) == ""


def test_a_restore_tells_the_ledger_the_backups_revision(world):
    steps = DatabaseSteps(world.target(), world.settled())
    backup = Backup(
        id="20300101T000000Z", at="2030-01-01T00:00:00Z", database="homeguru", release="1-x",
        revision="0001", reason="migration", run="r", server="16.4", bytes=1, sha256="0" * 64,
    )  # fmt: skip
    script = steps.restore_backup(backup).script
    assert script is not None
    assert script.text.endswith(f"restore_backup 20300101T000000Z {'0' * 64} 0001 ''\n")
    assert 'result revision "$3"' in script.text
    known = backup.model_copy(
        update={"contents": Contents(extensions={"citext": "homeguru_owner"})}
    )
    for step in (steps.restore_backup(known), steps.drill(known)):
        assert step.script is not None
        assert step.script.text.endswith(""" '{"citext": "homeguru_owner"}'\n""")


def test_a_bake_window_comes_after_the_verification(world, make_environment):
    world.environment = make_environment(bake_minutes=5)
    target = world.target(frontend="frontend-2")
    steps = world.plan(target, world.settled()).steps
    assert [s.name for s in steps[-2:]] == ["verify", "bake"]
    assert steps[-1] == WatchStep("watch", steps[-1].reason, seconds=300)
    undone = world.plan(target, world.settled(), verb="undo").steps
    assert "bake" not in [s.name for s in undone]


def test_a_database_that_was_to_be_empty_is_backed_up_where_it_is_not(world, plan):
    """`docker compose down`, then a first deploy: the volume is there, and nobody saw it."""
    text = scripts(plan(None, seen=world.bare))["migrate"]
    assert "if holds_tables; then back_up " in text
    assert text.index("if holds_tables") < text.rindex("\nmigrate ")
    assert "holds_tables" not in scripts(plan(ADDITIVE))["migrate"]
