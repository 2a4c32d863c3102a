"""What prepares a machine, run by bash in a folder that stands for its root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.bootstrap.plan import sshd_file
from deployments.shell.machine import by_hand
from deployments.shell.quote import call, functions

SSHD = """\
#!/bin/bash
# The first line that names a setting holds, and a file that is not there is no fault.
settings() {
  local name value file
  while read -r name value; do
    case $name in
      Include) for file in $value; do [ ! -f "$file" ] || settings "$file"; done ;;
      '' | '#'*) ;;
      *) echo "${name,,} ${value/prohibit-password/without-password}" ;;
    esac
  done < "$1"
}
settings ROOT/etc/ssh/sshd_config | awk '!seen[$1]++'
"""
OURS = "etc/ssh/sshd_config.d/00-homeguru.conf"


class Root:
    """A folder with what a machine has, and the programs that would change this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put("etc/ssh/sshd_config", f"Include {folder}/etc/ssh/sshd_config.d/*.conf\n")
        self.put("etc/ssh/sshd_config.d/50-image.conf", "PasswordAuthentication yes\nPermitRootLogin yes\n")  # fmt: skip
        self.put("proc/meminfo", "MemTotal: 1000000 kB\nSwapTotal: 0 kB\n")
        self.put("etc/fstab", "")
        self.program("sshd", SSHD.replace("ROOT", str(folder)))
        for name in ("pkill", "visudo", "mkswap", "swapon"):
            self.program(name, "#!/bin/sh\n")

    def put(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def program(self, name: str, text: str) -> None:
        self.put(f"bin/{name}", text)
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, *calls: str) -> subprocess.CompletedProcess[str]:
        text = by_hand("has_systemd() { false; }", *calls)
        for name in ("/etc/ssh", "/etc/sudoers.d", "/etc/fstab", "/proc/meminfo", "/swapfile", "/run/homeguru-bootstrap"):  # fmt: skip
            text = text.replace(name, f"{self.folder}{name}")
        return subprocess.run(
            ["bash"], input=text, capture_output=True, text=True,
            env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
        )  # fmt: skip

    def restart(self) -> None:
        """What lies in /run is gone, and whoever waited is, too."""
        self.stop()
        for file in (self.folder / "run/homeguru-bootstrap").iterdir():
            file.unlink()

    def stop(self) -> None:
        """End what waits to take a change back: its file is its last word."""
        for words in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                mine = words.read_bytes().count(f"{self.folder}/run/homeguru".encode())
            except OSError:
                continue
            if mine:
                os.killpg(int(words.parent.name), 15)

    @property
    def settings(self) -> dict[str, str]:
        """What its sshd takes."""
        shown = subprocess.run([self.folder / "bin/sshd"], capture_output=True, text=True).stdout
        return dict(line.split() for line in shown.splitlines())


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path)
    yield made
    made.stop()


def restrict(root_login: str = "no") -> str:
    return call("restrict_sshd", sshd_file(root_login), 60)


def keep() -> str:
    return call("keep_change", "sshd")


@pytest.mark.parametrize("root_login", ["no", "prohibit-password"])
def test_sshd_takes_keys_alone_and_keeps_the_text_that_was_tried(root: Root, root_login) -> None:
    tried = root.run(restrict(root_login))
    assert tried.returncode == 0, tried.stderr
    assert root.settings["passwordauthentication"] == "no"
    assert root.run(keep()).returncode == 0
    root.restart()
    assert (root.folder / OURS).read_text() == sshd_file(root_login)
    assert root.settings["passwordauthentication"] == "no"


def test_a_restart_ends_a_trial_that_nobody_confirmed(root: Root) -> None:
    assert root.run(restrict()).returncode == 0
    root.restart()
    assert root.settings == {"passwordauthentication": "yes", "permitrootlogin": "yes"}
    # The next bootstrap begins anew, and leaves no trace where it is taken back.
    assert root.run(restrict()).returncode == 0
    assert root.settings["permitrootlogin"] == "no"
    assert root.run(call("return_change", "sshd")).returncode == 0
    assert not (root.folder / OURS).exists()


def test_what_an_earlier_bootstrap_kept_outlives_the_trial_of_a_later_one(root: Root) -> None:
    assert root.run(restrict("prohibit-password"), keep()).returncode == 0
    assert root.run(restrict("no")).returncode == 0
    assert root.settings["permitrootlogin"] == "no"
    root.restart()
    assert root.settings["permitrootlogin"] == "without-password"
    assert root.settings["passwordauthentication"] == "no"
    assert root.run(restrict("no"), call("return_change", "sshd")).returncode == 0
    assert (root.folder / OURS).read_text() == sshd_file("prohibit-password")
    assert root.run(restrict("no"), keep()).returncode == 0
    left = sorted(file.name for file in (root.folder / OURS).parent.iterdir())
    assert left == ["00-homeguru.conf", "50-image.conf"]


def test_a_line_that_sshd_takes_first_is_named_and_the_change_taken_back(root: Root) -> None:
    file = root.folder / "etc/ssh/sshd_config"
    file.write_text(f"PasswordAuthentication yes\nPermitRootLogin yes\n{file.read_text()}")
    failed = root.run(restrict())
    assert failed.returncode == 20
    assert "sshd would still have: passwordauthentication yes, permitrootlogin yes" in failed.stderr
    assert "grep -rinE 'passwordauthentication|permitrootlogin' " in failed.stderr
    assert not (root.folder / OURS).exists()
    assert not list((root.folder / "run/homeguru-bootstrap").glob("*.armed"))


def test_root_that_may_not_log_in_at_all_is_no_fault(root: Root) -> None:
    file = root.folder / "etc/ssh/sshd_config"
    file.write_text(f"PermitRootLogin no\n{file.read_text()}")
    assert root.run(restrict("prohibit-password")).returncode == 0


def test_a_disk_that_is_too_full_for_swap_gets_it_once_there_is_room(root: Root) -> None:
    full = '#!/bin/sh\nhead -c 4096 /dev/zero > "$3"\necho "No space left on device" >&2\nexit 1\n'
    root.program("fallocate", full)
    # As an earlier version left it.
    root.put("swapfile", "cut off")
    failed = root.run(call("add_swap", 2048, 2048))
    assert failed.returncode == 20
    assert "no room for 2048 MB of swap in " in failed.stderr
    assert not list(root.folder.glob("swapfile*"))
    root.program("fallocate", '#!/bin/sh\nhead -c 4096 /dev/zero > "$3"\n')
    assert root.run(call("add_swap", 2048, 2048)).returncode == 0
    assert (root.folder / "swapfile").stat().st_mode & 0o777 == 0o600
    assert (root.folder / "etc/fstab").read_text() == f"{root.folder}/swapfile none swap sw 0 0\n"


def test_sshd_shows_its_settings_to_the_deploy_user_too(root: Root) -> None:
    """It does for who has a key for it, and the server's are root's."""
    root.program("id", "#!/bin/sh\necho 1000\n")
    root.program(
        "sshd", '#!/bin/sh\n[ "$1 $2" = "-T -h" ] && ssh-keygen -yf "$3" && echo port 22\n'
    )
    text = functions("prelude", "machine_survey") + "sshd_settings\n"
    scratch = root.folder / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        ["bash"], input=text, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{root.folder}/bin:{os.environ['PATH']}", "TMPDIR": str(scratch)},
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == ["port 22"], done.stderr
    assert not list(scratch.iterdir())


def test_sudo_reads_the_file_of_a_name_with_a_dot(root: Root) -> None:
    assert root.run(call("allow_sudo", "john.doe")).returncode == 0
    [file] = (root.folder / "etc/sudoers.d").iterdir()
    assert file.name == "homeguru-john_doe"
    assert file.read_text() == "john.doe ALL=(ALL:ALL) NOPASSWD: ALL\n"
