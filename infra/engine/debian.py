"""Install Docker on Debian 12 or 13, and start its daemon where no service manager does.

Debian 12's own docker.io is 20.10 with Compose v1, too old for us. Debian 13's packages
run on 12 as long as they are named one by one: a whole-suite `-t trixie` would upgrade
the machine's libc.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from infra.machine.long_processes import CommandFailed, Say, run_long
from infra.machine.processes import run, start
from infra.machine.waiting import wait_until

PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
SOURCE = Path("/etc/apt/sources.list.d/homeguru-trixie.sources")
PIN = Path("/etc/apt/preferences.d/homeguru-trixie")
SOURCE_TEXT = """Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
PIN_TEXT = """# Below the default of 500: nothing is taken from here unless it is named.
Package: *
Pin: release n=trixie
Pin-Priority: 50
"""
CONTAINERD_PID = Path("/var/run/docker/containerd/containerd.pid")


def debian_version() -> int | None:
    """Return 12 or 13 on a Debian we can install on as this user, else None."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return None
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    version = fields.get("VERSION_ID", "").strip('"')
    if fields.get("ID") != "debian" or version not in {"12", "13"} or os.geteuid() != 0:
        return None
    return int(version)


def install_docker(version: int, say: Say) -> None:
    """Install engine, Compose and buildx where missing; `version` is Debian's, 12 or 13.

    Raises CommandFailed. Does nothing when everything is installed already.
    """
    if all(_installed(name) for name in (*PACKAGES, "iptables")):
        return
    apt_install([*of_trixie(version, PACKAGES), "iptables"], "installing Docker", say)


def of_trixie(version: int, names: Iterable[str]) -> list[str]:
    """Names for `apt_install` of packages that Debian has from 13 on; a Debian 12 learns of their suite."""
    if version != 12:
        return list(names)
    _write(SOURCE, SOURCE_TEXT)
    _write(PIN, PIN_TEXT)
    return [f"{name}/trixie" for name in names]


def apt_install(names: list[str], label: str, say: Say) -> None:
    """Install Debian packages without recommendations; raises CommandFailed."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    say(f"{label}: {' '.join(names)}")
    # An earlier run killed in the middle leaves packages that apt refuses to work with.
    with contextlib.suppress(CommandFailed):
        run_long(["dpkg", "--configure", "-a"], f"{label}, repair", say, env=env)
    # Another apt may hold the lock: wait for it rather than fail.
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    _update([*apt, "update"], f"{label}, package lists", say, env)
    run_long([*apt, "install", "-y", "--no-install-recommends", *names], label, say, env=env)


def _update(
    argv: list[str], label: str, say: Say, env: dict[str, str], seconds: float = 300
) -> None:
    """Fetch the package lists; waits up to `seconds` for another apt that does the same."""
    end = time.monotonic() + seconds
    while True:
        try:
            run_long(argv, label, say, env=env)
            return
        except CommandFailed as error:
            # apt's own lock time-out does not cover the lists.
            if "lists/lock" not in error.tail or time.monotonic() > end:
                # One source out of order need not matter: the installation will tell.
                say(f"{label}: {error.reason}")
                return
        say(f"{label}: waiting for another apt")
        time.sleep(5)


def _installed(name: str) -> bool:
    return run("dpkg-query", "-W", "-f", "${db:Status-Status}", name).stdout == "installed"


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def running_dockerd() -> int | None:
    """Return the pid of a dockerd in our own network namespace, or None.

    Daemons inside containers are visible too, but live in other namespaces. A second
    daemon in ours would delete the first one's bridge, so it must never be started.
    """
    own_namespace = Path("/proc/self/ns/net").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and process_name(int(entry.name)) == "dockerd":
            try:
                if (entry / "ns/net").readlink() == own_namespace:
                    return int(entry.name)
            except OSError:  # it ended meanwhile
                continue
    return None


def process_name(pid: int) -> str | None:
    """Return the short name of a live process, None when there is none (or a zombie)."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
    return None if state == "Z" else name


def start_time(pid: int) -> int:
    """Return when a process began, in clock ticks since boot (/proc/PID/stat, field 22).

    Together with the pid it names one process for ever: pids are used again.
    """
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def start_dockerd(state: Path) -> None:
    """Start the daemon detached from us, or let systemd do it where that runs.

    Log and pid file lie in `state`. Raises OSError, WrongUse or TimedOut when it cannot be started
    at all; whether it stays up is for the caller to see.
    """
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        run("systemctl", "start", "docker")
        return
    _mount_cgroups()
    pid_file = state / "dockerd.pid"
    for stale, name in ((pid_file, "dockerd"), (CONTAINERD_PID, "containerd")):
        _drop_stale(stale, name)
    with (state / "dockerd.log").open("ab") as log:
        # A session of its own and no child of ours: it lives on when our terminal is gone.
        command = ["setsid", "--fork", "dockerd", "--pidfile", str(pid_file.absolute())]
        if start(command, stdout=log, stderr=log, cwd="/").wait():
            raise OSError(f"dockerd could not be started; its log is {log.name}")


def wait_for_end(pid: int, began: int, seconds: float) -> bool:
    """Wait until that very process is gone; False after `seconds`."""

    def gone() -> bool:
        try:
            return process_name(pid) is None or start_time(pid) != began
        except OSError:  # it ended between the two looks
            return True

    return wait_until(gone, seconds, every=0.1)


def _drop_stale(path: Path, name: str) -> None:
    """Remove a pid file left by a killed daemon: its pid may be another program's now."""
    try:
        alive = process_name(int(path.read_text())) == name
    except (OSError, ValueError):
        alive = False
    if not alive:
        path.unlink(missing_ok=True)


def _mount_cgroups() -> None:
    """Mount the cgroup tree where nothing did (a bare container or chroot)."""
    kinds = {line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    if not kinds & {"cgroup", "cgroup2"}:
        Path("/sys/fs/cgroup").mkdir(exist_ok=True)
        mounted = run("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
        if mounted.code:
            raise OSError(f"cgroups could not be mounted: {mounted.stderr.strip()}")
