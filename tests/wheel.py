"""The wheel, built and installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def uv(*words: str) -> str:
    """Run uv; what it printed."""
    program = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(
        [program, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(folder: Path) -> Path:
    """Build the wheel into a folder."""
    uv("build", "--wheel", "--out-dir", str(folder), "--quiet")
    return next(folder.glob("*.whl"))


def installed(wheel: Path, home: Path) -> Path:
    """Install it into a new environment; the folder of its programs."""
    uv("venv", "--quiet", "--python", sys.executable, str(home))
    uv("pip", "install", "--quiet", "--python", str(home / "bin" / "python"), str(wheel))
    return home / "bin"
