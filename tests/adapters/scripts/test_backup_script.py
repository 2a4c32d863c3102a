"""A backup by a real bash, with stand-ins for docker and, once, for the disk."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess

import pytest

from deployments.host.script_results import Channel
from deployments.shell.backup import back_up, place, settle
from deployments.shell.exchange import bring_back
from deployments.shell.postgres import On
from deployments.shell.prelude import prelude

DESCRIBED = '{"id":"@ID@","server":"@SERVER@","bytes":"@BYTES@","sha256":"@SHA256@","contents":"@CONTENTS@"}'
DUMP = "seq 200000"
READ = "cat > read"


def _run(shell, *, dump: str = DUMP, read: str = READ):
    shell.program(
        "docker",
        f"""case "$*" in
        *pg_dump*) {dump} ;;
        *pg_restore*) {read} ;;
        *versioned=1*) printf '%s\\n' '16.4 (Debian 16.4-1)' '{{"public.a & b": 1}}' ;;
        ps*) echo looked >> looks; echo postgres ;;
        esac""",
    )
    text = "export HOMEGURU_RUN=run\n"
    text += back_up(On("postgres", "postgres", "homeguru"), DESCRIBED, "list", 60).text
    return shell.run(prelude(shell.environment) + "channel=n\n" + text)


def _told(done):
    """The one result that a script gave."""
    ((kind, words),) = [(r.kind, r.words) for r in Channel("n").split(done.stdout)[1]]
    return kind, *words


def _files(shell) -> list[str]:
    return sorted(f.suffix for f in (shell.directory / "backups").iterdir())


def test_what_is_written_is_what_was_read_to_its_end(shell):
    done = _run(shell)
    assert done.returncode == 0, done.stderr
    (dump,) = (shell.directory / "backups").glob("*.dump")
    assert dump.read_text() == shell.read("read")
    described = json.loads(dump.with_suffix(".json").read_text())
    assert (described["bytes"], described["id"]) == (dump.stat().st_size, dump.stem)
    assert described["server"] == "16.4"
    assert described["contents"] == {"public.a & b": 1}
    assert len(described["sha256"]) == 64
    assert _told(done) == ("backup", dump.stem, str(dump.stat().st_size))
    assert shell.read("looks") == "looked\n"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"dump": f"{DUMP}; exit 1"}, "pg_dump failed"),
        ({"dump": "exit 1", "read": f"{READ}; exit 1"}, "pg_dump failed"),
        ({"read": f"{READ}; exit 1"}, "PostgreSQL cannot read the backup that it wrote"),
        # The writer has nobody to write to then, and fails with it.
        ({"read": "exec <&-; exit 1"}, "PostgreSQL cannot read the backup that it wrote"),
    ],
)  # fmt: skip
def test_a_backup_that_is_none_leaves_no_file(shell, broken, said):
    done = _run(shell, **broken)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (20, said)
    assert _files(shell) == []


def test_a_full_disk_is_told(shell):
    shell.program("tee", "/usr/bin/tee /dev/full")
    done = _run(shell)
    assert done.returncode == 20
    assert "No space left" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cannot write backups/")


# -- the way back ---------------------------------------------------------------------

RUN = "01a217fb-40c3-7792-8000-0a1b2c3d4e5f"
ASIDE, UNDONE = "homeguru_aside_0a1b2c3d4e5f", "homeguru_undone_0a1b2c3d4e5f"


def _bring_back(shell, *databases: str, answers: bool = True):
    """`docker exec psql` that knows these databases; a rename is noted."""
    shell.write("databases", "\n".join(databases))
    shell.program(
        "docker",
        f"""case "$*" in
        ps*) echo postgres; exit ;;
        esac
        {"" if answers else "exit 2"}
        text=$(cat)
        case "$text" in
        *count*) wanted=$(tr ' ' '\\n' <<< "$*" | sed -n 's/^wanted=//p'); grep -cxF "$wanted" databases || true ;;
        *RENAME*) echo "$*" >> renamed ;;
        esac""",
    )
    text = bring_back(On("postgres", "postgres", "homeguru"), RUN).text.replace("+ 60)", "+ 1)")
    return shell.run(prelude(shell.environment) + "channel=n\n" + text)


def test_the_database_of_before_comes_back_and_the_other_one_is_kept_by_name(shell):
    done = _bring_back(shell, "homeguru", ASIDE, "homeguru_undone_ffffffffffff")
    assert done.returncode == 0, done.stderr
    assert _told(done) == ("kept", UNDONE)
    said = shell.read("renamed")
    assert f"comes={ASIDE}" in said and f"goes={UNDONE} " in said


def test_a_run_that_is_undone_twice_keeps_what_either_held(shell):
    """Retry in Prefect's UI is the same run."""
    done = _bring_back(shell, "homeguru", ASIDE, UNDONE, f"{UNDONE}_2")
    assert done.returncode == 0, done.stderr
    assert _told(done) == ("kept", f"{UNDONE}_3")
    assert f"goes={UNDONE}_3 " in shell.read("renamed")


def test_what_came_back_already_is_told_all_the_same(shell):
    """Whoever brought it back died before anybody was told where the rows are."""
    done = _bring_back(shell, "homeguru", UNDONE)
    assert _told(done) == ("kept", UNDONE)
    assert done.stdout.startswith("already brought back\n")


def test_what_was_not_exchanged_stays(shell):
    done = _bring_back(shell, "homeguru")
    assert (done.returncode, done.stdout) == (0, "the database was not exchanged\n")


def test_only_what_stands_beside_this_database_is_dropped(shell):
    """A name in two words is one name: `my` belongs to somebody else."""
    shell.program(
        "docker",
        """case "$*" in
        ps*) echo postgres; exit ;;
        esac
        text=$(cat)
        case "$text" in
        *starts_with*) printf '%s\\n' "my app_aside_0a1b2c3d4e5f" "my app_drill" ;;
        *DROP*) for word in "$@"; do case "$word" in gone=*) echo "${word#gone=}" >> dropped ;; esac; done ;;
        esac""",
    )
    text = "export HOMEGURU_RUN=run\n" + settle(On("postgres", "postgres", "my app"), []).text
    done = shell.run(prelude(shell.environment) + text)
    assert done.returncode == 0, done.stderr
    assert shell.read("dropped") == "my app_aside_0a1b2c3d4e5f\nmy app_drill\n"


def test_a_database_that_does_not_answer_has_not_said_that_there_is_none(shell):
    done = _bring_back(shell, "homeguru", ASIDE, answers=False)
    assert (done.returncode, done.stdout) == (20, "")
    assert done.stderr.strip() == "PostgreSQL does not answer"


def test_a_copy_is_put_among_the_others_only_once_no_backup_works(shell):
    """A backup at work removes a dump that is not described, and what another left half."""
    for name in (".20300101T000000Z.dump", ".20300101T000000Z.json", ".20200101T000000Z.dump"):
        shell.write(f"backups/{name}", name)
    os.utime(shell.directory / "backups" / ".20200101T000000Z.dump", (0, 0))
    assert _run(shell).returncode == 0
    ours = shell.directory / "backups" / "20300101T000000Z"
    shell.write("lock/work", "")
    with (shell.directory / "lock" / "work").open("a") as work:
        fcntl.flock(work, fcntl.LOCK_EX)
        placing = shell.start(place(shell.environment, "20300101T000000Z"))
        with pytest.raises(subprocess.TimeoutExpired):
            placing.wait(0.5)
        assert not ours.with_suffix(".dump").exists()
    assert placing.wait(10) == 0
    assert ours.with_suffix(".dump").read_text() == ".20300101T000000Z.dump"
    assert ours.with_suffix(".json").read_text() == ".20300101T000000Z.json"
    assert not [f.name for f in (shell.directory / "backups").iterdir() if f.name[0] == "."]


def test_nothing_is_let_go_for_a_backup_that_is_not_here(shell):
    """What a run says of its own backup decides which others are past their policy."""
    for name in ("20300101T000000Z", "20300102T000000Z"):
        for kind in ("json", "dump"):
            shell.write(f"backups/{name}.{kind}", "x")
    gone = ["20300101T000000Z"]
    done = shell.run(prelude(shell.environment) + settle(None, gone, "99990101T000000Z").text)
    assert done.returncode == 20
    assert "99990101T000000Z of this run is not here" in done.stderr
    assert len(_files(shell)) == 4
    done = shell.run(prelude(shell.environment) + settle(None, gone, "20300102T000000Z").text)
    assert (done.returncode, len(_files(shell))) == (0, 2)


def test_a_script_that_no_deployer_listens_to_tells_nothing(shell):
    """A server that goes back by itself."""
    done = shell.run(prelude(shell.environment) + "result kept x\n")
    assert (done.returncode, done.stdout) == (0, "")
