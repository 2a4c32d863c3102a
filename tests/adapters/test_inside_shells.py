"""A person's own command in a container, as a login shell reads it."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from deployments.shell.inside import command_line
from infra.cli import inside
from infra.environment.context import Assembly
from infra.machine import signals
from infra.ssh import terminal


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


@pytest.mark.parametrize(
    ("typed", "shown", "at_terminal"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_what_goes_to_a_file_goes_there_byte_by_byte(
    located, monkeypatch, typed: bool, shown: bool, at_terminal: bool
) -> None:
    """With a terminal on the server each line in the file would end in two characters."""
    asked: list[str] = []
    monkeypatch.setattr(signals, "_request", request := signals._Request())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: typed))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: shown))
    monkeypatch.setattr(terminal, "check_key_file", lambda *_: None)
    monkeypatch.setattr(terminal, "at_terminal", lambda words: asked.extend(words) or 4)
    host = {"address": "h", "user": "deploy", "key_file": "keys/id"}
    assembly = Assembly(located(host={**host, "host_keys": ["ssh-ed25519 AAAA"]}), None, {})
    assert inside._run(assembly, "api", ["env"]) == 4
    script = base64.b64decode(re.search(r"echo (\S+) \|", asked[-1]).group(1)).decode()
    assert ("-t" in asked, "-T" in asked) == (at_terminal, not at_terminal)
    assert f"enter_container api {'-it' if at_terminal else '-i'} env\n" in script
    assert request.begun
