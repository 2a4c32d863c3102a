"""What only asks for help or the version imports nothing of what works.

Typer reads options through pydantic, so that one is there; models of ours are not.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from infra.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("modules:", *sorted(sys.modules), file=sys.stderr)
"""
HEAVY = {
    "prefect", "paramiko", "fabric", "cryptography", "httpx", "docker", "yaml", "jsonschema",
    "apprise", "bcrypt", "pyrage", "deployments.environment.schema", "deployments.planning.plan",
}  # fmt: skip


@pytest.mark.parametrize("words", ["--version", "--help", "deploy --help", "control-plane --help"])
def test_help_and_version_import_no_library_of_the_work(words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words.split()], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout
    modules = set(done.stderr.rpartition("modules:")[2].split())
    assert "typer" in modules
    assert modules & HEAVY == set()
