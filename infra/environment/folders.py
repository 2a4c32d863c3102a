"""Where environments' files lie, and their names. Reads none: the shell's completion waits for this."""

from __future__ import annotations

import os
from pathlib import Path

from deployments.errors import WrongUse
from infra.machine.files import is_file
from infra.machine.paths import CHECKOUT, packaged_environments

LONGEST = 100
"""Characters of a name that is looked for: the system refuses to look for very long ones."""
OWN_FOLDER = ".homeguru"
"""In an application's repository, where `init` writes its environments."""


def folders() -> list[Path]:
    """A person's own folders, then that of this project's checkout; what is installed has none."""
    return [*own_folders(), *_of_the_checkout()]


def own_folders() -> list[Path]:
    """Folders of `$HOMEGURU_ENVIRONMENTS`, else that of the repository one is in."""
    chosen = [Path(p) for p in os.environ.get("HOMEGURU_ENVIRONMENTS", "").split(os.pathsep) if p]
    return chosen or _of_this_repository()


def _of_this_repository() -> list[Path]:
    here = Path.cwd()
    found = (place / OWN_FOLDER for place in (here, *here.parents))
    return [folder for folder in found if folder.is_dir()][:1]


def _of_the_checkout() -> list[Path]:
    # Whoever installed homeguru would deploy to its authors' server.
    return [packaged_environments()] if (CHECKOUT / "pyproject.toml").is_file() else []


def names() -> list[str]:
    """All environments that can be named, the first folder's first."""
    listed = [file.stem for folder in folders() for file in sorted(folder.glob("*.toml"))]
    return list(dict.fromkeys(listed))


def only() -> str:
    """The environment where there is one choice; raises WrongUse where somebody must choose.

    A folder of one's own counts before that of the checkout.
    """
    for folder in folders():
        choices = sorted(file.stem for file in folder.glob("*.toml"))
        if len(choices) == 1:
            return choices[0]
        if choices:
            raise WrongUse(
                f"there are {len(choices)} environments", where=str(folder), state="untouched",
                todo=f"choose one: --env {', --env '.join(choices)}",
            )  # fmt: skip
    raise none_here()


def none_here() -> WrongUse:
    """The error for a place where no environment can be named."""
    searched = folders()
    return WrongUse(
        "there is no environment" if searched else f"there is no {OWN_FOLDER} here",
        where=", ".join(map(str, searched)) or str(Path.cwd()), state="not contacted",
        todo="run homeguru init in the application's repository",
    )  # fmt: skip


def file_of(name: str) -> Path | None:
    """The file of an environment, the first folder's first; None where there is none."""
    files = (folder / f"{name}.toml" for folder in folders())
    return next((file for file in files if len(name) <= LONGEST and is_file(file)), None)
