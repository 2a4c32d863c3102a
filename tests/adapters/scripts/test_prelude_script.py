"""What every script on the host starts with, under bash."""

from __future__ import annotations

from deployments.shell.prelude import prelude

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
