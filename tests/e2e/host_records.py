"""Records that an older version wrote on a host, put in the place of today's."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

from infra.engine.client import docker
from tests.e2e.conftest import World

V1 = Path(__file__).parent / "records_v1"
DIRECTORY = "/opt/systech/sunko"


def put_records(world: World, before: str, after: str, folder: Path, source: Path = V1) -> None:
    """Replace ledger, journals and records of releases on the server.

    before, after: names of the two manifests that the records are about. The files of a release
    that no format has changed (Compose file, variables) are the host's own.
    """
    manifests = {"BEFORE": _manifest(world, before), "AFTER": _manifest(world, after)}
    releases = {"before": f"1-{before}", "after": f"2-{after}", "unfinished": f"4-{after}"}
    for file in source.rglob("*.*"):
        text = _filled(file.read_text(), manifests)
        if file.name == "releases.jsonl":
            text = _chained(text)
        name = file.relative_to(source)
        if name.parts[0] == "releases":
            name = Path("releases", releases[name.parts[1]], *name.parts[2:])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "current").write_text(releases["before"] + "\n")
    own = {releases["before"]: before, releases["after"]: after, releases["unfinished"]: after}
    kept = "\n".join(
        f"mkdir -p old/{release}; cp -n $(ls -d releases/*-{manifest} | tail -n 1)/* old/{release}/"
        for release, manifest in own.items()
    )
    world.on_server(f"{kept}\nrm -rf releases journal releases.jsonl current\nmv old releases")
    # Not by `docker cp`: it writes below a file system that was mounted there.
    unpack = ("exec", "-i", "-u", "systech", world.info.server, "tar", "-xC", DIRECTORY)
    docker(*unpack, data=_packed(folder))


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return packed.getvalue()


def _manifest(world: World, name: str) -> dict:
    return json.loads(world.on_server(f"cat $(ls -d releases/*-{name} | tail -n 1)/manifest.json"))


def _filled(text: str, manifests: dict[str, dict]) -> str:
    def value(match: re.Match[str]) -> str:
        manifest = manifests[match[1]]
        if match[2] is None:
            return manifest["name"]
        if match[2] == ":commit":
            return manifest["commit"]
        digest = manifest["services"][match[2][1:]]["digest"].removeprefix("sha256:")
        return digest[:12] if match[3] else digest

    return re.sub(r"@(BEFORE|AFTER)(:[a-z]+)?(:short)?@", value, text)


def _chained(text: str) -> str:
    """The ledger with the hashes of its own lines: other names stand in them now."""
    tip, lines = "0" * 64, []
    for line in text.splitlines():
        lines.append(re.sub(r'"prev":"[0-9a-f]{64}"', f'"prev":"{tip}"', line))
        tip = hashlib.sha256(lines[-1].encode()).hexdigest()
    return "".join(f"{line}\n" for line in lines)
