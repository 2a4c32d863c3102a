"""A container of the project, as the engine describes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Container:
    """One container of the project. `digests` are its image's repository digests."""

    id: str
    name: str
    service: str
    one_off: bool
    image: str
    ref: str
    state: str
    health: str
    restarts: int
    started: str
    config_hash: str
    """Of the configuration that it was made from: as noted on the host, else Compose's label."""
    digests: tuple[str, ...]
    compose_file: str = ""
    """The Compose file that it was made from, by its label."""
    directory: str = ""
    """The directory that it was started from, by its label."""
    exit_code: int = 0
    """Of the last time that it ended."""

    @property
    def digest(self) -> str:
        """The digest that its reference names, else its image's first one, else the image's id."""
        named = self.ref.partition("@")[2]
        digests = [d.partition("@")[2] for d in self.digests]
        return named if named and named in digests else (digests[0] if digests else self.image)

    def runs(self, digest: str) -> bool:
        """Whether its image is the one of that digest; an image that no registry has, by id."""
        return digest in (self.image, *(d.partition("@")[2] for d in self.digests))

    @property
    def serving(self) -> bool:
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def completed(self) -> bool:
        """Whether it ended, and well."""
        return self.state == "exited" and self.exit_code == 0


def read_containers(containers: str, images: str, made: str = "") -> tuple[Container, ...]:
    """Read two lists of JSON lines: the containers, and their images with their digests.

    made: lines `<container's id> <hash of what it was made from>`, which wins over the label.
    """
    rows = [json.loads(line) for line in images.splitlines()]
    digests = {row["id"]: tuple(row["digests"] or ()) for row in rows}
    read = (_container(json.loads(line), digests) for line in containers.splitlines())
    noted = dict(pair for line in made.splitlines() if len(pair := line.split()) == 2)
    return tuple(replace(c, config_hash=noted.get(c.id, c.config_hash)) for c in read)


def _container(row: dict[str, object], digests: dict[str, tuple[str, ...]]) -> Container:
    labels = row["labels"]
    assert isinstance(labels, dict)
    return Container(
        id=str(row["id"]),
        name=str(row["name"]).removeprefix("/"),
        service=str(labels.get("com.docker.compose.service", "")),
        one_off=labels.get("com.docker.compose.oneoff") == "True",
        image=str(row["image"]),
        ref=str(row["ref"]),
        state=str(row["state"]),
        health=str(row["health"]),
        restarts=int(str(row["restarts"])),
        started=str(row["started"]),
        config_hash=str(labels.get("com.docker.compose.config-hash", "")),
        digests=digests.get(str(row["image"]), ()),
        exit_code=int(str(row.get("exit", 0))),
        compose_file=str(labels.get("com.docker.compose.project.config_files", "")),
        directory=str(labels.get("com.docker.compose.project.working_dir", "")),
    )
