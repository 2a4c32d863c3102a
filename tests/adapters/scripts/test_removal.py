"""Removing a service that the release no longer has, by a real bash with a stand-in for docker."""

from __future__ import annotations

import pytest

from deployments.shell.prelude import prelude
from deployments.shell.replace import LONGEST_GRACE, remove_service

GONE = """
case "$1" in
  ps) [ -e removed ] && [ ! -e stays ] || echo c1 ;;
  inspect) echo {grace} ;;
  stop) echo "$*" >> docker.log ;;
  rm) touch removed ;;
esac
"""


def _removed(shell, grace: int):
    shell.program("docker", GONE.format(grace=grace))
    return shell.run(prelude(shell.environment) + remove_service("worker").text)


@pytest.mark.parametrize(("own", "given"), [(120, 120), (30, 30), (99_999, LONGEST_GRACE)])
def test_each_container_has_the_time_that_it_was_made_with(shell, own, given):
    """The release that named its `stop_grace_period` is not the one that is deployed."""
    done = _removed(shell, own)
    assert done.returncode == 0, done.stderr
    assert shell.read("docker.log") == f"stop -t {given} c1\n"


def test_one_that_docker_does_not_remove_is_named(shell):
    shell.write("stays", "")
    done = _removed(shell, 10)
    assert done.returncode == 20
    assert "containers of worker cannot be removed" in done.stderr
