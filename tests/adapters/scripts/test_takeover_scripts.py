"""Going over from what was deployed by hand, and back, by a real bash with a stand-in for docker."""

from __future__ import annotations

import shutil

import pytest

from deployments.compose.extension import Deploy
from deployments.host.survey import read_comparison
from deployments.release.adopted_record import AdoptedService, Adoption
from deployments.shell import adopt, takeover
from deployments.shell.prelude import prelude
from deployments.shell.replace import Replacement

FIND = shutil.which("find")
IMAGE = f"sha256:{'a' * 64}"
EDGE = Replacement(
    "edge", "EDGE_IMAGE", "haproxy:3.0", "h", start_first=False, healthy_within=1, grace=3
)


def test_release_0_gets_services_back_that_were_started_with_a_profile(shell):
    """Compose leaves one of a profile out, unless it is named."""
    program = (
        'echo "$*" >> docker.log\n'
        'case "$1 $2" in "ps -aq") echo c1 ;; "inspect -f") echo running 0 healthy ;; esac'
    )
    shell.program("docker", program)
    service = AdoptedService(image=IMAGE, digest=IMAGE, reference="acme/x:1", config_hash="h")
    adoption = Adoption(
        directory="/srv/hand", files=("/srv/hand/docker-compose.yml",), env_files=(),
        services={"api": service, "bot": service}, deploy=Deploy(v=1), ours=False,
    )  # fmt: skip
    done = shell.run(prelude(shell.environment) + adopt.start_by_hand(adoption, 1).text)
    assert done.returncode == 0, done.stderr
    (line,) = [x for x in shell.read("docker.log").splitlines() if " up " in x]
    assert line.endswith("up -d --no-build --pull never --remove-orphans api bot")


@pytest.mark.parametrize(("after", "code"), [(3, 0), (4, 20)])
def test_what_docker_started_again_once_comes_back_with_release_0(shell, after, code):
    """Compose leaves a container alone that runs as it should, and it keeps its count of restarts."""
    program = (
        f'[[ "$*" != *" up "* ]] || echo {after} > restarts\n'
        'case "$1 $2" in "ps -aq") echo c1 ;;\n'
        '"inspect -f") echo running "$(cat restarts)" healthy c1 ;; esac'
    )
    shell.write("restarts", "3")
    shell.program("docker", program)
    service = AdoptedService(image=IMAGE, digest=IMAGE, reference="acme/x:1", config_hash="h")
    adoption = Adoption(
        directory="/srv/hand", files=("/srv/hand/docker-compose.yml",), env_files=(),
        services={"api": service}, deploy=Deploy(v=1), ours=False,
    )  # fmt: skip
    done = shell.run(prelude(shell.environment) + adopt.start_by_hand(adoption, 1).text)
    assert done.returncode == code, done.stderr
    assert ("restarted it once" in done.stderr) == (code == 20)


COMPARED = """
case "$*" in
  *"--env-file $PWD/.env"*"--profile * --dry-run up -d"*) echo ' DRY-RUN MODE -  Container a-1  Recreate' >&2 ;;
  *) exit 1 ;;
esac
"""


@pytest.mark.parametrize(("program", "anew"), [(COMPARED, {"a-1"}), ("exit 1", None)])
def test_compose_is_asked_for_what_it_would_make_anew(shell, program, anew):
    shell.program("docker", program)
    adoption = Adoption(
        directory=str(shell.directory), files=(f"{shell.directory}/docker-compose.yml",),
        env_files=(f"{shell.directory}/.env",), services={}, deploy=Deploy(v=1), ours=False,
    )  # fmt: skip
    done = shell.run(adopt.compare(shell.environment, adoption).text)
    assert done.returncode == 0, done.stderr
    assert read_comparison(done.stdout) == anew


@pytest.mark.parametrize(
    ("bound", "asked"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.5", "10.0.0.5"),
     ("fd00::1", "fd00::1")],
)  # fmt: skip
def test_the_edge_is_asked_where_it_publishes(shell, bound, asked):
    shell.program("docker", f"echo '3003 127.0.0.2'; echo '8003 {bound}'; echo '8003 {bound}'")
    body, _, _ = takeover.hand_over(EDGE, [], []).text.partition("declare healthy=")
    done = shell.run(prelude(shell.environment) + body + "edge=c1\naddress_of 8003\n")
    assert done.stdout == f"{asked}\n", done.stderr


def test_a_port_that_never_answered_is_not_said_to_have_answered(shell):
    body, _, _ = takeover.hand_over(EDGE, [], []).text.partition("declare healthy=")
    calls = "touch .handing-over; (sleep 0.3; rm .handing-over) & longest_silence 9 / 127.0.0.1\n"
    done = shell.run(prelude(shell.environment) + body + calls)
    assert done.stdout == "port 9 of 127.0.0.1 did not answer at all\n", done.stderr


def _adoption(shell) -> Adoption:
    """A project in a directory of its own, with a file that a container writes to."""
    hand = shell.directory.parent / "hand"
    for path, text in {"docker-compose.yml": "old", ".env": "A=1", "data/bot.db": "monday"}.items():
        (hand / path).parent.mkdir(parents=True, exist_ok=True)
        (hand / path).write_text(text)
    return Adoption(
        directory=str(hand), files=(f"{hand}/docker-compose.yml",), env_files=(f"{hand}/.env",),
        services={}, deploy=Deploy(v=1), ours=False,
    )  # fmt: skip


def _keep(shell, adoption: Adoption, *mounts: str):
    listed = "; ".join(f"echo {mount}" for mount in mounts)
    shell.program("docker", f'case "$1 $2" in "ps -aq") echo c1 ;; "inspect -f") {listed} ;; esac')
    for name in ("manifest.json", "plan.json"):
        shell.write(f".incoming/t1/{name}", "{}")
    (shell.directory / "releases").mkdir(exist_ok=True)
    return shell.run(prelude(shell.environment) + adopt.keep_by_hand(".incoming/t1", adoption).text)


def _back(shell):
    done = shell.run(prelude(shell.environment) + adopt.put_files_back().text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_container_wrote_since_is_not_taken_back(shell):
    adoption = _adoption(shell)
    hand = shell.directory.parent / "hand"
    assert _keep(shell, adoption, str(hand / "data")).returncode == 0
    (hand / "data/bot.db").write_text("friday")
    (hand / ".env").write_text("A=2")
    (hand / "docker-compose.yml").unlink()
    assert _back(shell) == "2 files put back, the others are as they were\n"
    assert (hand / "data/bot.db").read_text() == "friday"
    assert (hand / ".env").read_text() == "A=1"
    assert (hand / "docker-compose.yml").read_text() == "old"


def test_files_that_are_as_they_were_need_no_permission(shell):
    """Those of root can be read, and a deploy never wrote to them."""
    adoption = _adoption(shell)
    hand = shell.directory.parent / "hand"
    assert _keep(shell, adoption, str(hand / "data")).returncode == 0
    before = (hand / ".env").stat().st_ino
    assert _back(shell).startswith("0 files put back")
    assert (hand / ".env").stat().st_ino == before


def test_links_come_back_as_links(shell):
    adoption = _adoption(shell)
    hand = shell.directory.parent / "hand"
    (hand / ".env").rename(hand.parent / "shared.env")
    (hand / ".env").symlink_to("../shared.env")
    assert _keep(shell, adoption).returncode == 0
    assert _back(shell).endswith("the others are as they were\n")
    (hand / ".env").unlink()
    _back(shell)
    assert (hand / ".env").readlink().as_posix() == "../shared.env"
    assert (hand / ".env").read_text() == "A=1"


def test_what_did_not_run_by_hand_does_not_go_on_beside_release_0(shell):
    """A bot of ours, and its service is in the file by hand, where Compose calls it no orphan."""
    program = """
echo "$*" >> docker.log
case "$1 $2" in
  "ps -aq") echo c1; echo c2 ;;
  "inspect -f") case "$3 $4" in *service*c1) echo api ;; *service*) echo bot ;; *Running*) echo true ;; esac ;;
esac"""
    shell.program("docker", program)
    body, _, _ = adopt.start_by_hand(_adoption(shell), 1).text.partition("declare healthy=")
    done = shell.run(prelude(shell.environment) + body + "stop_other_services api\n")
    assert done.returncode == 0, done.stderr
    assert [x for x in shell.read("docker.log").splitlines() if x.startswith("rm")] == ["rm -f c2"]


def test_a_shared_directory_gets_its_own_files_back(shell):
    """By hand as the guide does it: a deploy of ours writes over all four."""
    adoption = _adoption(shell)
    files = {"compose.yml": "old", ".env": "A=1", "secrets.env": "B=1", "edge/haproxy.cfg": "hand"}
    for path, text in files.items():
        shell.write(path, text)
    here = shell.directory
    adoption = adoption.model_copy(
        update={"directory": str(here), "files": (f"{here}/compose.yml",),
                "env_files": (f"{here}/.env", f"{here}/secrets.env")},
    )  # fmt: skip
    assert _keep(shell, adoption, f"{here}/edge/haproxy.cfg").returncode == 0
    for path in files:
        shell.write(path, "ours")
    assert _back(shell).startswith("4 files put back")
    assert {path: shell.read(path) for path in files} == files


def test_a_folder_that_may_not_be_read_is_left_out_and_ends_nothing(shell):
    adoption = _adoption(shell)
    hand = shell.directory.parent / "hand"
    shell.program(
        "find",
        f'case "$1" in */closed) echo "find: closed" >&2; exit 1 ;; *) exec {FIND} "$@" ;; esac',
    )
    done = _keep(shell, adoption, str(hand / "closed"), str(hand / "data"))
    assert done.returncode == 0, done.stderr
    assert "data/bot.db" in shell.read("releases/0-adopted/files.list")


def test_a_name_that_is_kept_is_of_this_project_alone_and_lower_case(shell):
    adoption = _adoption(shell)
    service = AdoptedService(image=IMAGE, digest=IMAGE, reference="acme/x:1", config_hash="h")
    text = adopt.keep_by_hand(
        ".incoming/t1", adoption.model_copy(update={"services": {"API": service}})
    ).text
    shell.program("docker", 'echo "$*" >> docker.log')
    _, _, last = text.strip().rpartition("\n")
    body, _, _ = text.partition("\nkeep_by_hand ")
    assert shell.run(prelude(shell.environment) + body + f"\n{last}\n").returncode == 0
    assert shell.read("docker.log") == f"tag {IMAGE} homeguru-adopted/homeguru/api:0\n"
