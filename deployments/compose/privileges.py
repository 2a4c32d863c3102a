"""What gives a container power over its whole server: refused, unless an environment allows it by name.

Whoever gets into such a container has the server: it can read every secret and change what runs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from deployments.compose.reader import HERE
from deployments.compose.references import interpolate
from deployments.errors import WrongUse

_KEYS = ("device_cgroup_rules", "use_api_socket")
_NAMESPACES = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
_CAPABILITIES = frozenset({
    "ALL", "BPF", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "SYS_ADMIN", "SYS_BOOT",
    "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME",
})  # fmt: skip
"""Those with which a process leaves its container, or changes the kernel that all share."""
_SOCKETS = frozenset({"docker.sock", "containerd.sock", "podman.sock"})
_FOLDERS = (
    "/bin", "/etc", "/home", "/lib", "/opt", "/run", "/sbin", "/srv", "/usr", "/var/lib", "/var/run",
)  # fmt: skip
"""Of the system: as a whole they are refused; what an application keeps below them is its own."""
_TREES = (
    "/boot", "/dev", "/etc/cron.d", "/etc/docker", "/etc/pam.d", "/etc/shadow", "/etc/ssh", "/etc/sudoers",
    "/etc/sudoers.d", "/etc/systemd", "/proc", "/root", "/sys", "/var/lib/containerd", "/var/lib/docker",
    "/var/spool/cron",
)  # fmt: skip
"""With everything below them."""
_OF_RUNS = frozenset({
    ".env", ".incoming", "compose.yml", "current", "deadman", "journal", "lock", "releases",
    "releases.jsonl", "secrets.env",
})  # fmt: skip
"""In the environment's directory: what a run reads and believes. The rest there is the application's."""
_HARMLESS = frozenset({"/dev/shm"})  # noqa: S108  a name, nothing is written there


def check_privileges(
    config: dict[str, Any], services: Collection[str], allowed: Mapping[str, Collection[str]],
    values: Mapping[str, str], directory: str, where: tuple[str, str],
) -> None:  # fmt: skip
    """Raise WrongUse for the first service that asks for more than its environment allows.

    config: Compose's own form of the file. values: variables that stand in it. directory: the
    environment's on the server. where: the Compose file, and the environment's.
    """
    compose_file, environment_file = where
    for name in sorted(services):
        asked = privileges(config["services"][name], values, directory, config)
        more = [p for p in asked if p not in allowed.get(name, ())]
        if more:
            listed = ", ".join(f'"{p}"' for p in asked)
            raise WrongUse(
                f"service {name} asks for {', '.join(f'`{p}`' for p in more)}: "
                "whoever gets into its container has the whole server",
                where=compose_file, state="untouched",
                todo=f"take it out of the Compose file; or, where you mean it, add to {environment_file} "
                f"under [privileges]: {name} = [{listed}]",
            )  # fmt: skip


def privileges(
    body: dict[str, Any], values: Mapping[str, str], directory: str, config: Mapping[str, Any]
) -> list[str]:
    """What a service asks for, each as an environment names it. config: the file that it stands in."""

    def text(value: object) -> str:
        return interpolate(str(value), values)

    hooks = [h for key in ("post_start", "pre_stop") for h in body.get(key) or []]
    whole = any(text(b.get("privileged", "")).lower() == "true" for b in (body, *hooks))
    found = ["privileged"] if whole else []
    found += [key for key in _KEYS if text(body.get(key) or "").lower() not in ("", "false")]
    found += [f"{key}: host" for key in _NAMESPACES if text(body.get(key, "")) == "host"]
    capabilities = [text(c).upper().removeprefix("CAP_") for c in body.get("cap_add") or []]
    found += [f"cap_add: {c}" for c in capabilities if c in _CAPABILITIES]
    options = [text(o).replace("=", ":") for o in body.get("security_opt") or []]
    found += [f"security_opt: {o}" for o in options if o.endswith(":unconfined")]
    devices = [d["source"] if isinstance(d, dict) else d for d in body.get("devices") or []]
    found += [f"devices: {text(d).partition(':')[0]}" for d in devices]
    sources = [
        text(source.replace(HERE, f"{directory}/"))
        for source in (*_bound(body), *_of_volumes(body, config), *_of_files(body, config))
    ]
    return [*found, *dict.fromkeys(p for p in map(_path, sources) if _is_the_servers(p, directory))]


def _bound(body: Mapping[str, Any]) -> list[str]:
    return [str(m.get("source", "")) for m in _mounts(body, "bind")]


def _of_volumes(body: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """What named volumes show of the server: a folder, a disk, the layers of an overlay."""
    for mount in _mounts(body, "volume"):
        named = (config.get("volumes") or {}).get(mount.get("source")) or {}
        options = {k: str(v) for k, v in (named.get("driver_opts") or {}).items()}
        words = re.split(r"[,=:]", options.get("o", ""))
        yield from (word for word in words if word.startswith("/"))
        device = options.get("device", "")
        if device.startswith(("/", HERE, "$")) or (device and {"bind", "rbind"} & set(words)):
            yield device


def _of_files(body: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Files that Compose mounts for its `configs` and `secrets`."""
    for key in ("configs", "secrets"):
        for entry in body.get(key) or []:
            name = entry.get("source", "") if isinstance(entry, dict) else entry
            if file := ((config.get(key) or {}).get(name) or {}).get("file"):
                yield str(file)


def _mounts(body: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [v for v in body.get("volumes") or [] if isinstance(v, dict) and v.get("type") == kind]


def _path(source: str) -> str:
    # `//` at the beginning is kept by the standard; Linux reads one.
    return "/" + posixpath.normpath(f"/{source}").lstrip("/")


def _is_the_servers(path: str, directory: str) -> bool:
    """Whether with this path a container has more than an application's own files."""
    if path in _HARMLESS:
        return False
    # Somebody's whole home, or the keys in it.
    if posixpath.dirname(path) == "/home" or "/.ssh" in path:
        return True
    if posixpath.basename(path) in _SOCKETS:
        return True
    own = f"{_path(directory)}/"
    first = path.removeprefix(own).partition("/")[0] if path.startswith(own) else ""
    if re.sub(r"\.(new|previous)$", "", first) in _OF_RUNS:
        return True
    wholes = (*_FOLDERS, *_TREES, _path(directory))
    contains = any(
        whole == path or f"{whole}/".startswith(f"{path.rstrip('/')}/") for whole in wholes
    )
    return contains or any(path.startswith(f"{tree}/") for tree in _TREES)
