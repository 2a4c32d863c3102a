"""Make sure the images we start from exist locally: pulled, else built as stand-ins."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from infra.engine.bases import STAND_IN_LABEL, build_base, need_mmdebstrap
from infra.engine.client import docker, image_exists
from infra.engine.pull import HubUnreachable, PullFailed, pull
from infra.machine.long_processes import Say, run_long
from infra.machine.paths import sandbox_dir
from infra.machine.waiting import wait_until

STAND_INS = Path(__file__).with_name("images")
BOOKWORM, TRIXIE = "debian:bookworm-slim", "debian:trixie-slim"
PYTHON, NODE = "python:3.11-slim", "node:20-slim"
POSTGRES, HAPROXY, REGISTRY = "postgres:16", "haproxy:3.0", "registry:2"
CADDY, DOCKER = "caddy:2", "docker:28-cli"
COSIGN = "ghcr.io/sigstore/cosign/cosign:v2.5.0"
ALL = (PYTHON, NODE, POSTGRES, HAPROXY, REGISTRY)


@dataclass(frozen=True)
class ImageRecipe:
    """How to build an image: `folder` holds its Dockerfile, `needs` are images used in it.

    Without a folder it is a Debian base. What is `ours` exists in no registry.
    """

    folder: Path | None = None
    needs: tuple[str, ...] = ()
    ours: bool = False


def server_image() -> str:
    """Name of the sandbox server's image; the tag is a hash of its definition."""
    digest = hashlib.sha256()
    for path in sorted((sandbox_dir() / "server").iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"homeguru-sandbox-server:{digest.hexdigest()[:12]}"


def recipes() -> dict[str, ImageRecipe]:
    """Return every image we know how to build, by local name."""
    folder = STAND_INS
    return {
        BOOKWORM: ImageRecipe(),
        TRIXIE: ImageRecipe(),
        PYTHON: ImageRecipe(folder / "python", (BOOKWORM,)),
        NODE: ImageRecipe(folder / "node", (TRIXIE,)),
        HAPROXY: ImageRecipe(folder / "haproxy", (TRIXIE,)),
        REGISTRY: ImageRecipe(folder / "registry", (TRIXIE,)),
        CADDY: ImageRecipe(folder / "caddy", (TRIXIE,)),
        DOCKER: ImageRecipe(folder / "docker", (TRIXIE,)),
        COSIGN: ImageRecipe(folder / "cosign", (TRIXIE,)),
        POSTGRES: ImageRecipe(folder / "postgres", (TRIXIE, PYTHON, NODE)),
        server_image(): ImageRecipe(sandbox_dir() / "server", (TRIXIE,), ours=True),
    }


def ensure_images(names: Iterable[str], say: Say) -> None:
    """Make sure local images of these names exist; what is there already stays untouched.

    Pulls what is missing; builds what cannot be pulled, two at a time, and says so.
    Raises PullFailed for an unknown image that cannot be pulled, CommandFailed when a
    build fails, DockerFailed when the engine does not answer.
    """
    wanted = list(dict.fromkeys(names))
    if all(image_exists(name) for name in wanted):
        return
    with _alone(say):
        builds: dict[str, ImageRecipe] = {}
        _Search(say, builds).resolve(wanted)
        if any(recipe.folder is None for recipe in builds.values()):
            need_mmdebstrap(say)  # once, before two bases are built at the same time
        _build_all(builds, lambda name: _build(name, builds[name], say))


class _Search:
    """Decide for each missing image whether to pull or to build it."""

    def __init__(self, say: Say, builds: dict[str, ImageRecipe]) -> None:
        self._say, self._builds = say, builds
        self._recipes = recipes()
        self._hub_down = ""

    def resolve(self, names: Iterable[str]) -> None:
        """Pull what is missing and collect what must be built, needs included."""
        for name in names:
            if name in self._builds or image_exists(name):
                continue
            recipe = self._recipes.get(name)
            if recipe is None or not recipe.ours:
                reason = self._pull(name)
                if not reason:
                    continue
                if recipe is None:
                    raise PullFailed(f"{name}: {reason}")
                self._say(f"{reason}: building a stand-in for {name} from public packages")
            self._builds[name] = recipe
            self.resolve(recipe.needs)

    def _pull(self, name: str) -> str:
        """Pull an image; returns "" or why it could not be had."""
        if self._hub_down:
            return self._hub_down
        try:
            pull(name, self._say)
        except HubUnreachable as error:
            # Not asked again in this call: each image would wait for the same answer.
            self._hub_down = str(error)
            return self._hub_down
        except PullFailed as error:
            return str(error)
        return ""


def _build_all(builds: dict[str, ImageRecipe], build: Callable[[str], None]) -> None:
    """Build two at a time, each as soon as all it needs is there; what others need comes first."""
    order = TopologicalSorter({n: set(r.needs) & builds.keys() for n, r in builds.items()})
    order.prepare()
    needed = {need for recipe in builds.values() for need in recipe.needs}
    with ThreadPoolExecutor(max_workers=2) as pool:
        due: list[str] = []
        running: dict[Future[None], str] = {}
        while order.is_active():
            due = sorted([*due, *order.get_ready()], key=lambda name: name not in needed)
            while due and len(running) < 2:
                name = due.pop(0)
                running[pool.submit(build, name)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()  # an error of a build is raised here
                order.done(running.pop(future))


def _build(name: str, recipe: ImageRecipe, say: Say) -> None:
    begin = time.monotonic()
    if recipe.folder is None:
        build_base(name, say)
    else:
        # The engine's own builder: others do not see its local images.
        builder = docker("context", "show")
        argv = ["docker", "buildx", "build", "--builder", builder, "--load", "--progress=plain"]
        argv += [] if recipe.ours else ["--label", STAND_IN_LABEL]
        run_long([*argv, "--tag", name, str(recipe.folder)], f"building {name}", say)
    size = int(docker("image", "inspect", "--format", "{{.Size}}", name)) / 1e6
    say(f"built {name}: {time.monotonic() - begin:.0f} s, {size:.0f} MB")


@contextlib.contextmanager
def _alone(say: Say) -> Iterator[None]:
    """Hold the machine-wide lock, so that two runs do not build the same images at once."""
    with (Path(tempfile.gettempdir()) / "homeguru-images.lock").open("a") as lock:

        def locked() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        message = "waiting for another run that prepares images"
        if not locked():
            say(f"{message}: 0 s")
            wait_until(locked, math.inf, tell=lambda spent: say(f"{message}: {spent:.0f} s"))
        yield
