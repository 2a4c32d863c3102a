"""Files of this machine: a person's, which may be unreadable, and those written whole or not at all."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from deployments.errors import WrongUse


def is_file(file: Path) -> bool:
    """Whether a file is there; raises WrongUse where nobody may look."""
    try:
        return file.is_file()
    except OSError as error:
        raise WrongUse(
            f"its folder cannot be entered: {error.strerror}", where=str(file), state="untouched",
            todo=f"namei -l {shlex.quote(str(file))} shows which one is not yours; let your user enter it",
        ) from None  # fmt: skip


def read_text(
    file: Path,
    *,
    encoding: str = "utf-8-sig",
    errors: str = "strict",
    todo: str = "save it as UTF-8",
) -> str:
    """A person's file; raises WrongUse for one that cannot be read.

    encoding: UTF-8 without the mark that some editors put before it. errors: what is done about bytes
    that are no UTF-8, as `open` takes it. todo: for one that is refused for these.
    """
    try:
        return file.read_text(encoding=encoding, errors=errors)
    except UnicodeDecodeError as error:
        # Where, and not what: the bytes may be a secret's.
        raise WrongUse(
            f"not UTF-8, at byte {error.start}", where=str(file), state="untouched", todo=todo
        ) from None
    except OSError as error:
        raise WrongUse(
            f"cannot be read: {error.strerror}", where=str(file), state="untouched",
            todo="run it as the user whose file it is, or make it yours: "
            f'sudo chown "$(id -un)" {shlex.quote(str(file))}',
        ) from None  # fmt: skip


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write under a second name first: a killed run leaves no half file. mode: from the first byte on."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
    temporary.replace(path)
