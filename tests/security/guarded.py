"""A server and an environment each secret of which is a marker; everything that a command prints is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import pyrage

from infra.engine.client import docker
from infra.sandbox.sandbox import SandboxInfo
from tests.e2e.conftest import Ended, World, world_of_its_own
from tests.e2e.guide_reader import REGISTRY
from tests.e2e.stand_in_runner import Job, StepEnded
from tests.security.markers import AWKWARD, Maker, Marker
from tests.security.searching import Piece
from tests.security.surroundings import BUCKET, Bucket, git_server, hook

CHAT = 4242
ACCOUNT = "deployer"
"""At the registry: no secret, it is a part of images' names."""
IN_CONTAINERS = (
    "POSTGRES_PASSWORD", "DATABASE_OWNER_PASSWORD", "DATABASE_PASSWORD", "ADMIN_PASSWORD",
    "JWT_SECRET_KEY", "OPENROUTER_API_KEY", "TELEGRAM_BOT_TOKEN",
)  # fmt: skip
FOR_THE_DEPLOYER = (
    "REGISTRY_TOKEN",
    "SOURCE_TOKEN",
    "NOTIFY_URLS",
    "COPY_ACCESS_KEY",
    "COPY_SECRET_KEY",
)

MORE = """
[services]
leave_out = ["frontend"]

[notices]
urls = "NOTIFY_URLS"
telegram_api = "{telegram}"

[off_host]
to = "s3://{bucket}/production"
endpoint = "{endpoint}"
access_key = "COPY_ACCESS_KEY"
secret_key = "COPY_SECRET_KEY"
recipient = "{recipient}"
"""


@dataclass(frozen=True)
class Guarded(World):
    """A world whose commands have a home of their own, and whose output is kept."""

    folder: Path = Path()
    maker: Maker = field(default_factory=Maker)
    values: dict[str, str] = field(default_factory=dict, repr=False)
    given: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables of every command."""
    printed: list[Piece] = field(default_factory=list, repr=False)
    notified: list[bytes] = field(default_factory=list, repr=False)
    bucket: Bucket | None = None
    source: str = ""
    """Address of the repository over HTTPS."""
    hooked: str = ""
    """Where notices over HTTP arrive."""

    @property
    def variables(self) -> dict[str, str]:
        return {**super().variables, **self.given}

    def homeguru(self, *words: str, **more: str) -> Ended:
        """Run it to its end, and keep what it printed."""
        return self.keep(" ".join(words), super().homeguru(*words, **more))

    def keep(self, name: str, ended: Ended) -> Ended:
        """Keep what a command printed."""
        place = f"{len(self.printed)} {name}"
        both = f"{ended.stdout}\n{ended.stderr}"
        self.printed.append(Piece("output", place, both.encode("utf-8", "surrogateescape")))
        return ended

    def run_job(self, job: Job) -> StepEnded:
        """A workflow's step: its log, its summary, its outputs."""
        ended = job.run(**{n: v for n, v in self.given.items() if n != "HOME"})
        lines = ended.log.splitlines(keepends=True)
        for kind, wanted in (("masks of ", True), ("", False)):
            text = "".join(x for x in lines if x.startswith("::add-mask::") == wanted)
            place = f"{len(self.printed)} {kind}{job.name}"
            self.printed.append(Piece("output", place, text.encode()))
        return ended

    def write_secrets(self, **changed: str) -> None:
        """The environment's file of secrets."""
        self.values.update(changed)
        file = self.environments / "sandbox.secrets.env"
        file.touch(mode=0o600)
        file.write_text("".join(f'{name}="{value}"\n' for name, value in self.values.items()))


@contextmanager
def guarded_world(folder: Path) -> Iterator[Guarded]:
    """A server of its own, an environment full of markers, and everything that a deploy talks to."""
    with ExitStack() as stack:
        world = stack.enter_context(world_of_its_own("security", folder, ""))
        maker = Maker()
        address, notified = stack.enter_context(hook())
        values = {m.name: m.value for m in _secrets(maker, address)}
        bucket = Bucket()
        stack.callback(bucket.end)
        source, certificate = stack.enter_context(
            git_server(world.repository, folder, values["SOURCE_TOKEN"])
        )
        maker.private_key("the deploy key", world.info.ssh_key)
        identity = pyrage.x25519.Identity.generate()
        maker.known("the age identity", str(identity))
        (folder / "identity").touch(mode=0o600)
        (folder / "identity").write_text(f"{identity}\n")
        _close_registry(world.info, folder, values["REGISTRY_TOKEN"])
        # A worker's own server asks for it; the one of a command has it in its environment as well.
        login = maker.secret("PREFECT_API_AUTH_STRING", "admin:{}").value
        found = Guarded(
            world.info, world.environments, world.state, world.repository, "",
            folder, maker, values, {**_home(folder, login), "GIT_SSL_CAINFO": str(certificate)},
            [], notified, bucket, source, address,
        )  # fmt: skip
        _describe(found, str(identity.to_public()))
        found.write_secrets()
        yield found


def _secrets(maker: Maker, hooked: str) -> list[Marker]:
    """Each in the grammar of what takes it, with characters in it that need escaping where it may."""
    return [
        maker.secret("POSTGRES_PASSWORD", between=AWKWARD),
        maker.secret("DATABASE_OWNER_PASSWORD", between="-._~"),
        maker.secret("DATABASE_PASSWORD", between="~.-_"),
        maker.secret("ADMIN_PASSWORD", "ä{}ö", AWKWARD),
        maker.lines("JWT_SECRET_KEY"),
        maker.secret("OPENROUTER_API_KEY", "sk-or-v1-{}"),
        maker.secret("TELEGRAM_BOT_TOKEN", "1234567890:{}"),
        maker.secret("REGISTRY_TOKEN", "ghp_{}"),
        maker.secret("SOURCE_TOKEN", "github_pat_{}"),
        maker.secret("NOTIFY_URLS", f"tgram://987654321:{{}}/{CHAT}/ json://me:{maker.secret('the password of a notice').value}@{hooked}/"),
        maker.secret("COPY_ACCESS_KEY", "AKIA{}"),
        maker.secret("COPY_SECRET_KEY", between="/+"),
    ]  # fmt: skip


def _close_registry(info: SandboxInfo, folder: Path, token: str) -> None:
    hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(5, prefix=b"2a")).decode()
    container = f"{info.project}-registry"
    for name, text, to in (
        ("htpasswd", f"{ACCOUNT}:{hashed}\n", "/htpasswd"),
        ("config.yml", REGISTRY, "/etc/docker/registry/config.yml"),
    ):
        (folder / name).write_text(text)
        docker("cp", str(folder / name), f"{container}:{to}")
    docker("restart", "-t", "2", container)


def _home(folder: Path, login: str) -> dict[str, str]:
    """A home and a folder for temporary files of its own: what is left there is searched."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    return {
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
        "PREFECT_API_AUTH_STRING": login, "PREFECT_SERVER_API_AUTH_STRING": login,
        "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip


def _describe(world: Guarded, recipient: str) -> None:
    """The environment's file: every key that names a secret is there."""
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    names = [*IN_CONTAINERS, *FOR_THE_DEPLOYER, "REGISTRY_USER"]
    listed = ", ".join(f'"{name}"' for name in names)
    lines = [f"names = [{listed}]" if x.startswith("names = ") else x for x in text.splitlines()]
    first = (
        'login = { user = "REGISTRY_USER", token = "REGISTRY_TOKEN" }\n'
        f'source_token = "SOURCE_TOKEN"\nsources = ["{world.source}"]\n\n[host]'
    )
    text = "\n".join(lines).replace("[host]", first, 1)
    assert world.bucket
    more = MORE.format(
        telegram=world.info.telegram_control_url, bucket=BUCKET, recipient=recipient,
        endpoint=world.bucket.endpoint,
    )  # fmt: skip
    file.write_text(f"{text}\n{more}")
    world.values["REGISTRY_USER"] = ACCOUNT
    assert os.environ.get("PREFECT_API_URL") is None
