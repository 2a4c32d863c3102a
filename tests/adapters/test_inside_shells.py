"""A person's own command in a container, as a login shell reads it."""

from __future__ import annotations

import subprocess

import pytest

from deployments.shell.inside import command_line


@pytest.mark.parametrize("shell", ["bash", "dash", "sh"])
def test_any_login_shell_reads_the_line_alike(located, tmp_path, shell: str) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\ncase "$1" in ps) echo one;; inspect) echo true;; *) echo "$@"; cat;; esac\n')  # fmt: skip
    docker.chmod(0o755)
    environment = located(directory=str(tmp_path)).environment
    line = command_line(environment, "api", ["echo", "it's", "$HOME !x"], terminal=False)
    done = subprocess.run(
        [shell, "-c", line], input="typed", capture_output=True, text=True, check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout == "exec -i one echo it's $HOME !x\ntyped"
