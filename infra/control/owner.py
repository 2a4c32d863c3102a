"""Whether the control plane that runs there is the one that this state folder describes."""

from __future__ import annotations

import hashlib

from deployments.errors import Refused
from infra.control.docker import Docker
from infra.control.settings import FIRST_FOLDER, State

KEY = "encryption-key"
_ASK = (
    "import hashlib, pathlib; f = pathlib.Path('/v/encryption-key'); "
    "print(hashlib.sha256(f.read_bytes().strip()).hexdigest() if f.is_file() else '')"
)
"""Only the key's hash leaves the container."""


def refuse_another_state(docker: Docker, image: str, state: State) -> None:
    """Refuse to write this folder's key, password and accounts over those of another folder."""
    volume = f"{docker.settings.project}-server-secret"
    # Not `inspect`: what fails for another reason is no volume that is not there.
    if volume not in docker.text("volume", "ls", "-q", "--filter", f"name={volume}").split():
        return
    mounts = ("--user", "0", "-v", f"{volume}:/v:ro")
    there = docker.text("run", "--rm", "--network", "none", *mounts, image, "python", "-c", _ASK)
    # Empty: whoever made the volume was killed before it was filled.
    if there and there != _hash(state):
        raise Refused(
            "a control plane of that name is there and was put up from elsewhere: its encryption key is not "
            "the one of this folder",
            where=str(state.folder), state="unchanged",
            todo=f"work where it was put up, or copy that one's folder here: {FIRST_FOLDER}; where it is "
            f"lost, its two secrets are in the volumes {volume} and {docker.settings.project}-database-secret; "
            "a key that was put here for a backup comes there with: "
            "homeguru control-plane restore FILE --identity FILE",
        )  # fmt: skip


def _hash(state: State) -> str:
    # Not made here: a folder without a key is another one too.
    file = state.folder / KEY
    return hashlib.sha256(file.read_bytes().strip()).hexdigest() if file.exists() else ""
