"""Reading a host with a real bash, and a stand-in for docker."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
import time
from datetime import UTC, datetime, timedelta

import pytest

from deployments.history import journal
from deployments.history.step_kind import StepKey
from deployments.host.candidate import read_candidate
from deployments.host.observation import Project, read_observation, sections
from deployments.shell import observe
from deployments.shell.prelude import prelude
from deployments.shell.quote import functions

LABELS = {
    "com.docker.compose.service": "api", "com.docker.compose.oneoff": "False",
    "com.docker.compose.config-hash": "h1",
}  # fmt: skip
CONTAINER = json.dumps(
    {
        "id": "c1", "name": "/homeguru-api-1", "image": "sha256:i1", "ref": "r/api@sha256:d1",
        "state": "running", "health": "", "restarts": 0, "started": "x", "labels": LABELS,
    },
    separators=(",", ":"),
)  # fmt: skip
IMAGE = json.dumps({"id": "sha256:i1", "digests": ["r/api@sha256:d1"]})
DOCKER = f"""
case "$1 $2" in
  "version -f") echo 27.1.0 ;;
  "compose version") echo 2.29.1 ;;
  "ps -a") printf '%s\t%s\t%s\n' 'shop /srv' running 'homeguru-edge-1 0.0.0.0:8003->8003/tcp |shop' \\
    'shop /srv' exited 'shop-old-1  |shop' ' ' running 'by-hand-1 0.0.0.0:80->80/tcp |' ;;
  "ps -aq") echo c1 ;;
  "inspect -f") case "$3" in
    *'"labels"'*) echo '{CONTAINER}' ;;
    *Running*) echo true ;;
    esac ;;
  "image inspect") echo '{IMAGE}' ;;
  "exec c1") printf '%s\n' '{{"bytes":7,"tables":3,"aside":[],"undone":[]}}' 0002 ;;
esac
"""


def _observe(world, shell, **replaced):
    text = observe.observe(shell.environment, world.stack).text
    for old, new in replaced.items():
        text = text.replace(old, new)
    done = shell.run(text)
    assert done.returncode == 0, done.stderr
    return read_observation(done.stdout)


def test_a_host_with_everything(world, shell):
    shell.program("docker", DOCKER)
    ledger = world.ledger(world.line(1))
    release = ledger.lines[0].release
    shell.write("current", release + "\n")
    shell.write(f"releases/{release}/manifest.json", "{}")
    shell.write("releases.jsonl", ledger.raw[0] + "\n")
    shell.write(".env", "A='$x'\n")
    shell.write("compose.yml", "services: {}\n")
    shell.write("edge/haproxy.cfg", "global\n")
    shell.write("lock/owner", '{"token":"t"}\n')
    seen = _observe(world, shell)
    assert (seen.engine, seen.compose) == ("27.1.0", "2.29.1")
    assert (seen.writable, seen.locked) == (True, False)
    assert seen.disk_mb > 0 and seen.memory_mb > 0
    assert seen.published == {8003: "homeguru-edge-1", 80: "by-hand-1"}
    assert seen.holders == {"homeguru-edge-1": "shop"}
    assert seen.projects == (Project("shop", "/srv", here=False, environment=""),)
    [container] = seen.of("api")
    assert (container.digest, container.config_hash) == ("sha256:d1", "h1")
    assert (seen.revision, seen.database_bytes) == ("0002", 7)
    assert (seen.env, seen.compose_file, seen.edge) == ("A='$x'\n", "services: {}\n", "global\n")
    assert (seen.current, seen.manifest, seen.ledger) == (release, "{}", ledger)
    assert seen.owner == '{"token":"t"}'


@pytest.mark.parametrize(
    "said",
    [
        "permission denied while trying to connect to the Docker daemon socket",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        "bash: line 1: docker: command not found",
    ],
)
def test_a_host_whose_engine_does_not_answer_is_still_described(world, shell, said):
    """Preflight then says what to do about it; see test_preflight."""
    shell.program("docker", f"echo '{said}' >&2; exit 1")
    seen = _observe(world, shell)
    assert (seen.engine, seen.writable, seen.containers) == (said, True, ())


def test_a_host_without_ipv6_is_still_described(world, shell):
    assert _observe(world, shell, **{"/proc/net/tcp6": "/proc/net/none"}).writable


def test_a_held_lock_is_seen_and_not_disturbed(world, shell):
    shell.write("lock/session", "")
    text = observe.observe(shell.environment, world.stack).text
    done = shell.run("exec 7<> lock/session; flock 7\n" + text)
    assert read_observation(done.stdout).locked
    assert not _observe(world, shell).locked


def test_only_unfinished_journals_are_sent(world, shell):
    begin = journal.run_line("1-x", "begin", "t")
    shell.write("journal/done.jsonl", f"{begin}\n{journal.run_line('1-x', 'end', 't', 'ok')}\n")
    shell.write(
        "journal/open.jsonl", f"{begin}\n{journal.step_line(StepKey('pull'), 'begin', 't')}\n"
    )
    shell.write("journal/torn.jsonl", f"{begin}\n{journal.run_line('1-x', 'end', 't')[:-9]}")
    done = shell.run(observe.observe(shell.environment, world.stack))
    assert {n for n in sections(done.stdout) if n.startswith("journal")} == {
        "journal:open", "journal:torn",
    }  # fmt: skip


def test_reading_files_leaves_out_what_is_not_there(shell):
    shell.write("releases/1-x/manifest.json", "Привет\n")
    paths = ["releases/1-x/manifest.json", "releases/1-x/none"]
    done = shell.run(observe.read_files(shell.environment, paths))
    assert sections(done.stdout) == {"releases/1-x/manifest.json": "Привет\n"}


COMPOSE = 'case "$*" in *"config --hash"*) printf "api h1\\nbot h2\\n" ;; esac'


def _weigh(shell, mode="keep"):
    return shell.run(observe.read_candidate_script(shell.environment, ".incoming/t1", mode))


@pytest.fixture
def candidate(shell):
    shell.program("docker", COMPOSE)
    shell.write(".incoming/t1/secrets.env", "A='new'\nB='same'\n")
    shell.write("secrets.env", "A='old'\nB='same'\n")
    return shell


def test_a_candidate_is_weighed(candidate):
    done = _weigh(candidate)
    found = read_candidate(done.stdout)
    assert found.hashes == {"api": "h1", "bot": "h2"}
    assert found.secrets_now.keys() == {"A", "B"}
    assert found.secrets_now["B"] == found.secrets_then["B"]
    assert found.secrets_now["A"] != found.secrets_then["A"]
    assert "new" not in done.stdout and "old" not in done.stdout


@pytest.mark.parametrize(
    "value",
    ["'plain'", "'$x `id` %s %d'", "'back\\slash\\n'", "\"it's\"", "'a=b='", "' spaces '",
     "'Привет'", "''", "'#'", "'-n'", "'\\'"],
)  # fmt: skip
def test_a_fingerprint_is_the_hmac_of_the_value(candidate, value):
    candidate.write(".incoming/t1/secrets.env", f"A={value}\n")
    found = read_candidate(_weigh(candidate).stdout).secrets_then["A"]
    key = bytes.fromhex(candidate.read(".fingerprint.key"))
    assert len(key) == 64
    assert found == hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]


def test_the_key_is_private_and_made_once(candidate):
    _weigh(candidate)
    key = candidate.read(".fingerprint.key")
    assert stat.S_IMODE((candidate.directory / ".fingerprint.key").stat().st_mode) == 0o600
    _weigh(candidate)
    assert candidate.read(".fingerprint.key") == key


def test_two_first_plans_at_once_have_one_key(candidate):
    """The second looks while the first still writes: half a key would be the first one's alone."""
    key = "ab" * 64
    slow = f"if mkdir first 2>/dev/null; then printf {key[:20]}; sleep 1; printf {key[20:]}; else printf {'cd' * 64}; fi"
    candidate.program("od", slow)
    script = observe.read_candidate_script(candidate.environment, ".incoming/t1", "keep")
    first = candidate.start(script)
    while not (candidate.directory / "first").exists():
        time.sleep(0.01)
    second = candidate.run(script)
    answers = [read_candidate(first.communicate()[0]), read_candidate(second.stdout)]
    assert candidate.read(".fingerprint.key") == "cd" * 64
    assert answers[0].secrets_now == answers[1].secrets_now
    assert [f.name for f in candidate.directory.glob(".fingerprint.key*")] == [".fingerprint.key"]


def test_an_undo_takes_the_secrets_of_before(candidate):
    candidate.write("secrets.env.previous", "A='before'\n")
    _weigh(candidate, "former")
    assert candidate.read(".incoming/t1/secrets.env") == "A='before'\n"


def test_an_undo_of_a_run_that_installed_none_keeps_those_of_the_server(candidate):
    """A backup that fails must not bring secrets along that nobody deployed."""
    assert _weigh(candidate, "former").returncode == 0
    assert candidate.read(".incoming/t1/secrets.env") == "A='old'\nB='same'\n"


def test_an_undo_where_there_are_none_takes_the_sent_ones(candidate):
    (candidate.directory / "secrets.env").unlink()
    assert _weigh(candidate, "former").returncode == 0
    assert candidate.read(".incoming/t1/secrets.env") == "A='new'\nB='same'\n"


@pytest.mark.parametrize(("mode", "stays"), [("keep", True), ("discard", False)])
def test_files_of_a_plan_do_not_stay(candidate, mode, stays):
    _weigh(candidate, mode)
    assert (candidate.directory / ".incoming/t1").exists() is stays


def test_files_of_a_plan_do_not_stay_when_compose_refuses_them(candidate):
    candidate.program("docker", "echo 'invalid compose file' >&2; exit 15")
    done = _weigh(candidate, "discard")
    assert done.returncode != 0
    assert "invalid compose file" in done.stderr
    assert not (candidate.directory / ".incoming/t1").exists()


def test_a_description_without_the_end_of_its_line_hides_no_other(shell):
    shell.write("backups/20300101T000000Z.json", '{"id": 1}')
    shell.write("backups/20300102T000000Z.json", '{"id": 2}\n')
    text = prelude(shell.environment) + functions("observe") + "\nlist_backups\n"
    assert shell.run(text).stdout == '{"id": 1}\n{"id": 2}\n'


def _age(shell) -> str:
    text = (
        prelude(shell.environment)
        + functions("observe_emit", "observe_release")
        + "\nnewest_backup\n"
    )
    return sections(shell.run(text).stdout).get("backup", "")


def test_the_newest_backup_is_the_newest_that_was_ended_whenever_its_file_came(shell):
    """One that was cut off, or fetched from elsewhere today, is none of today's."""
    assert _age(shell) == ""
    shell.write("backups/20300101T000000Z.dump.part", "cut off")
    shell.write("backups/20300101T000000Z.dump", "without a description")
    assert _age(shell) == ""
    then = datetime.now(UTC) - timedelta(hours=30)
    shell.write(f"backups/{then:%Y%m%dT%H%M%SZ}.json", "{}")
    assert abs(int(_age(shell)) - 30 * 3600) < 10


def test_projects_are_told_apart_by_the_directories_that_they_were_started_from(
    world, shell, tmp_path
):
    theirs, plain, link = tmp_path / "theirs", tmp_path / "by hand", tmp_path / "link"
    theirs.mkdir()
    plain.mkdir()
    link.symlink_to(shell.directory)
    (theirs / ".environment").write_text("staging\n")
    rows = [
        f"homeguru {theirs}", f"homeguru {theirs}", f"homeguru {link}", f"homeguru {plain}",
        f"other {theirs}", f"sunko {shell.directory}", "homeguru /gone", " ",
    ]  # fmt: skip
    listed = "\n".join(rows)
    shell.program("docker", f"""case "$1 $2" in "ps -a") printf '%s\\n' '{listed}' ;; esac""")
    shell.write(".project", "homeguru\n")
    seen = _observe(world, shell)
    assert seen.project == "homeguru"
    assert set(seen.projects) == {
        Project("homeguru", str(theirs), environment="staging"),
        Project("homeguru", str(link), here=True),
        Project("homeguru", str(plain)),
        Project("homeguru", "/gone"),
        Project("other", str(theirs), environment="staging"),
        Project("sunko", str(shell.directory), here=True),
    }
    assert len(seen.projects) == 6


def test_an_engine_that_is_stopped_is_read_past_the_empty_line_of_its_client(world, shell):
    """The client prints its template, empty, before the error: no engine at all, it seemed."""
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    shell.program("docker", f"echo; echo '{said}' >&2; exit 1")
    assert _observe(world, shell).engine == said


POSTGRES = """
case "$*" in
  *"config --hash"*) printf 'api h1\\npostgres %s\\n' "${POSTGRES_PASSWORD:-of the file}" ;;
  ps*) echo 0123456789ab ;;
  inspect*) printf '%s\\nPATH=/bin\\nPOSTGRES_PASSWORD=%s\\n' "$(cat made)" first ;;
esac"""


@pytest.mark.parametrize(("made", "found"), [("first", {"postgres": "first"}), ("of the file", {})])
def test_a_database_is_weighed_with_the_password_that_it_was_made_with_too(candidate, made, found):
    """Where its container is as the files say, nothing more is asked."""
    candidate.program("docker", POSTGRES)
    candidate.write("made", made)
    script = observe.read_candidate_script(
        candidate.environment, ".incoming/t1", "keep", ("postgres", "POSTGRES_PASSWORD")
    )
    done = candidate.run(script)
    assert done.returncode == 0, done.stderr
    answer = read_candidate(done.stdout)
    assert answer.as_made == found
    assert answer.hashes == {"api": "h1", "postgres": "of the file"}
    assert answer.same("postgres", "first") is bool(found)


def test_a_candidate_comes_with_what_the_current_release_recorded(candidate):
    candidate.write("current", "1-x\n")
    candidate.write("releases/1-x/secrets.fingerprints", "A 0a\n")
    candidate.write("releases/1-x/variables.env", "DATABASE_USER='homeguru_2'\n")
    answer = read_candidate(_weigh(candidate).stdout)
    assert answer.released == {"A": "0a"}
    assert answer.released_env == "DATABASE_USER='homeguru_2'\n"
