"""Small files as one archive, for a script that unpacks its own standard input."""

from __future__ import annotations

import io
import tarfile


def tarball(files: dict[str, str]) -> bytes:
    """The files by name, 0600, as a tar archive; of the same files always the same."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
