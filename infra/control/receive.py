"""Fill volumes from standard input, as root in a container that lives a moment.

Reads JSON: volume -> file -> [content in base64, mode, owner], or volume -> owner for one
whose files are somebody else's. The volumes are mounted below the folder in argv[1]. A file
that is not named is removed. Prints the volumes that changed.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64decode
from pathlib import Path

Files = dict[str, tuple[str, int, int]]


def fill(folder: Path, files: Files | int) -> bool:
    """Make a folder hold exactly these files; whether anything differed."""
    if isinstance(files, int):
        _own(folder, 0o700, files)
        return False
    changed = _keep(folder, files)
    first = next(iter(files.values()), ("", 0o600, 0))
    _own(folder, 0o755 if first[1] & 0o044 else 0o700, first[2])
    for name, (content, mode, owner) in files.items():
        file, data = folder / name, b64decode(content)
        if not (file.is_file() and file.read_bytes() == data):
            changed = True
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f".{file.name}.part")
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            part.write_bytes(data)
            part.replace(file)
        for above in file.relative_to(folder).parents:
            if above != Path():
                _own(folder / above, 0o700, owner)
        _own(file, mode, owner)
    return changed


def _keep(folder: Path, files: Files) -> bool:
    surplus = [
        f for f in folder.rglob("*") if f.is_file() and str(f.relative_to(folder)) not in files
    ]
    for file in surplus:
        file.unlink()
    return bool(surplus)


def _own(path: Path, mode: int, owner: int) -> None:
    path.chmod(mode)
    os.chown(path, owner, owner)


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    base = Path(sys.argv[1])
    sys.stdout.write("\n".join(name for name in wanted if fill(base / name, wanted[name])))
