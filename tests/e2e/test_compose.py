"""Compose's own reading of our files, by the client that deploys."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from deployments.compose.env_file import render_env

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "unit" / "compose.prod.json"
AWKWARD = [
    "", "plain", "two words", " kept spaces ", "it's", "''", "'", '"', 'say "x"', "both ' and \"",
    "$HOME", "${HOME}", "${HOME:-x}", "a$", "$$", "it's $HOME", "it's ${HOME}", "it's $$",
    "back\\slash", "\\n stays two letters", "it's \\n", "ends in \\", "\\", "\\\\", "\\'", "'\\",
    "it's \\$x", "\\\\'$", "#hash", "a # b", "it's # b", "a=b=", "`id`", "$(id)", "!", "%s %d",
    "\ttab\t", "Привет", "line\u2028separator", "next\x85line", "form\x0cfeed",
    "-----BEGIN KEY-----\nMIIE+/=\nabc==\n-----END KEY-----", "two\r\nlines\n", "a\\\nb", "it's $HOME\n\\n",
]  # fmt: skip


def test_the_recorded_form_of_the_production_file_is_today_s(engine) -> None:
    """`RECORD=1 pytest tests/e2e/test_compose.py` writes it anew."""
    file = ROOT / "docker" / "docker-compose.prod.yml"
    done = subprocess.run(
        ["docker", "compose", "-f", str(file), "--profile", "*", "config",
         "--no-interpolate", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    config = json.loads(done.stdout.replace(str(file.parent), "."))
    if os.environ.get("RECORD"):
        RECORD.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    assert json.loads(RECORD.read_text()) == config


def test_compose_reads_an_env_file_as_we_do(engine, tmp_path):
    wanted = {f"V{n}": value for n, value in enumerate(AWKWARD)}
    lines = "".join(f'      {name}: "${{{name}}}"\n' for name in wanted)
    file = tmp_path / "compose.yml"
    file.write_text(f"services:\n  a:\n    image: x\n    environment:\n{lines}")
    env = tmp_path / "env"
    env.write_text(render_env(wanted))
    done = subprocess.run(
        ["docker", "compose", "-f", file, "--env-file", env, "config", "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["services"]["a"]["environment"]
    # `config` writes a dollar sign as two, so that its output can be read again.
    assert {name: value.replace("$$", "$") for name, value in found.items()} == wanted
