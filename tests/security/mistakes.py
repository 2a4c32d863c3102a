"""What people get wrong, secrets in hand: a value in the wrong place, a wrong value, a server that is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.security.guarded import Guarded

NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Mistake:
    """A command, and what is wrong: replacements in the environment's file, bytes behind its secrets'."""

    name: str
    words: tuple[str, ...] = ("plan",)
    text: dict[str, str] = field(default_factory=dict)
    secrets: bytes = b""
    mode: int = 0o600
    variables: dict[str, str] = field(default_factory=dict)


def mistakes(world: Guarded) -> Iterator[Mistake]:
    """All of them."""
    yield from _values(world)
    yield from _places(world)
    yield from _servers(world)


def _values(world: Guarded) -> Iterator[Mistake]:
    value = world.values
    for name, wrong in {
        "DATABASE_PASSWORD": "{} @/",
        "OPENROUTER_API_KEY": "{}\n",
        "DATABASE_OWNER_PASSWORD": "{}\nsecond line",
        "REGISTRY_TOKEN": "{}\n",
    }.items():
        changed = {name: wrong.format(value[name])}
        yield Mistake(f"{name} of a wrong form", variables=changed)
    for ending in ("x", "\u2013", "\nsecond"):
        changed = {"REGISTRY_TOKEN": value["REGISTRY_TOKEN"] + ending}
        yield Mistake(f"a wrong registry token {ending.strip()!a}", variables=changed)
    changed = {"SOURCE_TOKEN": f"{value['SOURCE_TOKEN']}x"}
    yield Mistake("a wrong source token", ("publish", "--source", world.source), variables=changed)
    yield Mistake("a line that is none", secrets=value["ADMIN_PASSWORD"].encode() + b"\n")
    yield Mistake("no UTF-8", secrets=b"X=" + value["ADMIN_PASSWORD"].encode() + b"\xff\n")
    yield Mistake("a file that others read", mode=0o644)
    changed = {"HOMEGURU_SECRETS": value["JWT_SECRET_KEY"]}
    yield Mistake("HOMEGURU_SECRETS without names", variables=changed)
    broken = world.folder / "mistakes" / "identity.txt"
    broken.touch(mode=0o600)
    broken.write_text((world.folder / "identity").read_text().strip() + "x\n")
    yield Mistake("a broken identity", ("fetch", "newest", "--identity", str(broken)))


def _places(world: Guarded) -> Iterator[Mistake]:
    """The value where its name belongs, and the like."""
    value = {name: text.replace("\\", "\\\\") for name, text in world.values.items()}
    token = 'token = "REGISTRY_TOKEN"'
    yield Mistake("a token for its name", text={token: f'token = "{value["REGISTRY_TOKEN"]}"'})
    yield Mistake("a token for a table", text={f'login = {{ user = "REGISTRY_USER", {token} }}':
                                               f'login = "{value["REGISTRY_TOKEN"]}"'})  # fmt: skip
    source = f'source_token = "{value["SOURCE_TOKEN"]}"'
    yield Mistake("a source token for its name", text={'source_token = "SOURCE_TOKEN"': source})
    urls = f'urls = "{value["NOTIFY_URLS"]}"'
    yield Mistake("addresses for their name", text={'urls = "NOTIFY_URLS"': urls})
    key = f'access_key = "{value["COPY_SECRET_KEY"]}"'
    yield Mistake("an S3 key for its name", text={'access_key = "COPY_ACCESS_KEY"': key})
    listed = f'names = ["{value["ADMIN_PASSWORD"]}", '
    yield Mistake("a value in the names", text={"names = [": listed})
    plain = f'[variables]\nOPENROUTER_API_KEY = "{value["OPENROUTER_API_KEY"]}"\n'
    yield Mistake("a secret in the clear", text={"[variables]\n": plain})
    built = f'[build]\nOPENROUTER_API_KEY = "{value["OPENROUTER_API_KEY"]}"\n'
    yield Mistake("a secret as a build argument", ("publish", "--source", str(world.repository)),
                  text={"[build]\n": built})  # fmt: skip
    unended = f'[variables]\nX = "{value["OPENROUTER_API_KEY"]}\n'
    yield Mistake("a text without its end", text={"[variables]\n": unended})
    address = f'address = "systech:{value["ADMIN_PASSWORD"]}@127.0.0.1"'
    yield Mistake("a password in the address", text={'address = "127.0.0.1"': address})
    with_token = world.source.replace("https://", f"https://me:{value['SOURCE_TOKEN']}@")
    yield Mistake("a token in sources", text={f'"{world.source}"': f'"{with_token}"'})


def _servers(world: Guarded) -> Iterator[Mistake]:
    there = {"HOMEGURU_HERE": "", "PREFECT_API_URL": f"http://{NOWHERE}/api"}
    yield Mistake("no Prefect server", ("deploy",), variables=there)
    yield Mistake(
        "no registry",
        text={f'push_registry = "{world.info.registry}"': f'push_registry = "{NOWHERE}"'},
    )
    yield Mistake("no server", ("status",), text={f"port = {world.info.ssh_port}": "port = 1"})
    yield Mistake(
        "no repository", ("publish", "--source", world.source.replace("homeguru", "none"))
    )
    for name, lines in {"a truncated key": slice(0, -2), "half a key": slice(0, 3)}.items():
        file = world.folder / "mistakes" / f"{name}.txt"
        file.touch(mode=0o600)
        file.write_text("\n".join(world.info.ssh_key.read_text().splitlines()[lines]) + "\n")
        key = {f'key_file = "{world.info.ssh_key}"': f'key_file = "{file}"'}
        yield Mistake(name, ("status",), text=key)
    yield Mistake("no such service", ("exec", "apy", "--", "id"))
