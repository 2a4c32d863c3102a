"""A backup by a real bash, with stand-ins for docker and, once, for the disk."""

from __future__ import annotations

import json

import pytest

from deployments.commands.backup import On, back_up
from deployments.commands.prelude import prelude

DESCRIBED = '{"id":"@ID@","bytes":"@BYTES@","sha256":"@SHA256@","contents":"@CONTENTS@"}'
DUMP = "seq 200000"
READ = "cat > read"


def _run(shell, *, dump: str = DUMP, read: str = READ):
    shell.program(
        "docker",
        f"""case "$*" in
        *pg_dump*) {dump} ;;
        *pg_restore*) {read} ;;
        *psql*) grep -q server_version && echo 16.4 || echo '{{"tables": 1}}' ;;
        ps*) echo postgres ;;
        esac""",
    )
    text = "export HOMEGURU_RUN=run\n"
    text += back_up(On("postgres", "postgres", "homeguru"), DESCRIBED, "list", 60).text
    return shell.run(prelude(shell.environment) + text)


def _files(shell) -> list[str]:
    return sorted(f.suffix for f in (shell.directory / "backups").iterdir())


def test_what_is_written_is_what_was_read_to_its_end(shell):
    done = _run(shell)
    assert done.returncode == 0, done.stderr
    (dump,) = (shell.directory / "backups").glob("*.dump")
    assert dump.read_text() == shell.read("read")
    described = json.loads(dump.with_suffix(".json").read_text())
    assert (described["bytes"], described["id"]) == (dump.stat().st_size, dump.stem)
    assert described["contents"] == {"tables": 1}
    assert len(described["sha256"]) == 64
    assert done.stdout.splitlines()[-1] == f"@backup {dump.stem} {dump.stat().st_size}"


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
