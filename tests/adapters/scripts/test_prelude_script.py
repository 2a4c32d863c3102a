"""What every script on the host starts with, under bash."""

from __future__ import annotations

from deployments.shell.lock import guarded
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, functions

GOES = """case "$1 $2" in
"rm -f") echo "removal of container $3 is already in progress" >&2; exit 1 ;;
"container inspect") echo x >> looks; [ "$(wc -l < looks)" -lt 3 ] ;;
esac"""


def test_a_container_that_docker_is_removing_already_is_waited_for(shell):
    """It was still there when the script had ended, and had the name that the next one wants."""
    shell.program("docker", GOES)
    done = shell.run(prelude(shell.environment) + "remove_container homeguru-sql\necho gone")
    assert (done.returncode, done.stdout) == (0, "gone\n"), done.stderr
    assert shell.read("looks").count("x") == 3


def test_one_that_is_not_there_is_removed(shell):
    shell.program("docker", "exit 1")
    done = shell.run(prelude(shell.environment) + "remove_container homeguru-sql\necho gone")
    assert (done.returncode, done.stdout) == (0, "gone\n"), done.stderr


def test_what_a_login_brings_does_not_reach_compose(shell):
    """Compose would take it before the environment's own values."""
    shell.program("docker", "env > seen")
    text = prelude(shell.environment) + "compose ps\n"
    done = shell.run(
        f"export USER=deploy LANG=de_DE TZ=UTC DOCKER_HOST=unix:///x HOMEGURU_RUN=r\n{text}"
    )
    assert done.returncode == 0, done.stderr
    names = {line.partition("=")[0] for line in shell.read("seen").splitlines()}
    assert names >= {"PATH", "DOCKER_HOST", "HOMEGURU_RUN"}
    assert not names & {"USER", "LANG", "TZ"}


def test_a_composition_by_hand_gets_what_the_login_brings(shell):
    shell.program("docker", "env > seen")
    text = prelude(shell.environment) + functions("adopt_survey")
    by_hand = 'set_by_hand_compose /srv compose.yml ""\n"${by_hand_compose[@]}" ps\n'
    done = shell.run(f"export USER=deploy\n{text}{by_hand}")
    assert done.returncode == 0, done.stderr
    assert "USER=deploy" in shell.read("seen")
    # Also where it is brought back, under the work lock.
    shell.write("lock/owner", '"token":"t"')
    shell.write("journal/r.jsonl", "")
    body = Script(functions("adopt_survey") + by_hand)
    guard = guarded(shell.environment, "r", "t", "{}", "{}", "", body)
    shell.write("seen", "")
    done = shell.run(f"export USER=deploy\n{guard.text}")
    assert done.returncode == 0, done.stderr
    assert "USER=deploy" in shell.read("seen")
    done = shell.run(
        f"export USER=deploy\n{guarded(shell.environment, 'r', 't', '{}', '{}', '', Script('compose ps')).text}"
    )
    assert (done.returncode, "USER=" in shell.read("seen")) == (0, False), done.stderr
