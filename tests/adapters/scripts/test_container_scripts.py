"""Pulling, replacing, migrating and asking, run by a real bash with a stand-in for docker."""

from __future__ import annotations

import base64
import re

import pytest

from deployments.compose.env_file import parse_env, render_env
from deployments.compose.extension import Log
from deployments.host.edge import IDLE, read_former, read_slots, render
from deployments.host.observation import sections
from deployments.host.script_results import Channel
from deployments.shell import database, images, probe
from deployments.shell.completion import complete
from deployments.shell.edge import reload_edge
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, functions
from deployments.shell.replace import (
    Backend,
    Replacement,
    let_former_go,
    prepare_image,
    recreate_service,
    replace_service,
)

REFERENCE = "localhost:5000/acme/api@sha256:1"
LOG = 'echo "$*" >> docker.log\n'


def _run(shell, script):
    return shell.run(prelude(shell.environment) + script.text)


def _log(shell):
    return shell.read("docker.log").splitlines()


# -- pull ---------------------------------------------------------------------------


THERE = (
    '[ "$1 $2" != "image inspect" ] || {{ for ref in {refs}; do echo $ref; done; exit {code}; }}\n'
)
"""Images that the engine has: their digests, and the code of one that it has not."""


def test_an_image_that_is_there_is_not_pulled_again(shell):
    shell.program("docker", LOG + THERE.format(refs=REFERENCE, code=0))
    done = _run(shell, images.pull([REFERENCE], "release-x"))
    assert done.stdout == f"already here: {REFERENCE}\n"
    assert not [line for line in _log(shell) if line.startswith("pull")]


def test_a_pulled_image_gets_a_tag_that_keeps_it(shell):
    shell.program("docker", LOG + '[ "$1 $2" != "image inspect" ]')
    done = _run(shell, images.pull([REFERENCE], "release-x"))
    assert done.stdout == f"pulled {REFERENCE}\n"
    assert _log(shell)[1:] == [
        f"pull {REFERENCE}", f"tag {REFERENCE} localhost:5000/acme/api:release-x",
    ]  # fmt: skip


def test_a_pull_that_fails_names_the_releases_that_are_whole(shell):
    digest = "a" * 64
    for name, image in (("1-m1", "here"), ("2-m2", "gone"), ("10-m3", "here")):
        # Whatever the variable is called: the reader takes any name.
        text = f"API='r/{image}@sha256:{digest}'\nNAME='x'\n"
        shell.write(f"releases/{name}/variables.env", text)
    shell.program(
        "docker",
        'case "$*" in *here*) exit 0;; pull*) echo "not found" >&2; exit 1;; *) exit 1;; esac',
    )
    done = _run(shell, images.pull([f"r/gone@sha256:{digest}"], "release-x"))
    assert done.returncode == 21
    assert done.stderr.splitlines()[-1] == (
        "releases whose images are all on this server: 1-m1 10-m3"
    )


def test_a_pull_that_fails_names_the_image_and_the_reason(shell):
    shell.program(
        "docker", 'case $1 in image) exit 1;; pull) echo "no such host" >&2; exit 1;; esac'
    )
    done = _run(shell, images.pull([REFERENCE, "r/b@sha256:2"], "release-x"))
    assert done.returncode == 21
    assert f"cannot pull {REFERENCE}: no such host" in done.stderr
    assert "cannot pull r/b@sha256:2: no such host" in done.stderr


SAID = """\
localhost:5000/acme/api@sha256:1: Pulling from acme/api
111111111111: Already exists
222222222222: Pulling fs layer
222222222222: Waiting
222222222222: Verifying Checksum
222222222222: Download complete
222222222222: Pull complete
Digest: sha256:1
@n0nce revision =MDAwMg==
"""


def test_what_becomes_of_each_layer_is_told_to_the_deployer_alone(shell):
    shell.write("said", SAID)
    shell.program("docker", '[ "$1" != pull ] || cat said\n[ "$1 $2" != "image inspect" ]')
    script = images.pull([REFERENCE], "release-x")
    done = _run(shell, Script(f"declare +x channel=n0nce\n{script.text}"))
    channel = Channel("n0nce")
    told = [channel.content(x) for x in done.stdout.splitlines() if channel.owns(x)]
    states = ("Pulling fs layer", "Download complete", "Pull complete")
    assert told == [f"layer {REFERENCE} 222222222222: {state}" for state in states]
    assert channel.split(done.stdout) == (f"pulled {REFERENCE}\n", ())
    # Where no deployer listens, nothing is told.
    assert _run(shell, script).stdout == f"pulled {REFERENCE}\n"


def test_a_pull_that_fails_half_way_says_what_docker_says_and_no_more(shell):
    shell.write("said", SAID)
    shell.program(
        "docker",
        'case $1 in image) exit 1;; pull) cat said; echo "layer verification failed" >&2; exit 1;; esac',
    )
    script = f"declare +x channel=n0nce\n{images.pull([REFERENCE], 'release-x').text}"
    done = _run(shell, Script(script))
    assert done.returncode == 21
    assert done.stderr.splitlines()[0] == f"cannot pull {REFERENCE}: layer verification failed"


def test_one_failing_pull_does_not_stop_the_others(shell):
    shell.program("docker", THERE.format(refs="r/b@sha256:2", code=1) + '[ "$1" = tag ]')
    done = _run(shell, images.pull([REFERENCE, "r/b@sha256:2"], "release-x"))
    assert done.returncode == 21
    assert "already here: r/b@sha256:2" in done.stdout


def test_four_images_are_pulled_at_a_time_and_no_failure_is_forgotten(shell):
    """Fifty clients at once took 13 s for what four take 3 s for."""
    shell.program(
        "docker",
        """
        case $1 in image) exit 1;; pull) ;; *) exit 0;; esac
        mkdir -p at-work; touch "at-work/${2//[^a-z0-9]/-}"; ls at-work | wc -l >> many
        sleep 0.3; rm "at-work/${2//[^a-z0-9]/-}"; case $2 in *r/1@*) exit 1;; esac
        """,
    )
    done = _run(shell, images.pull([f"r/{n}@sha256:{n}" for n in range(1, 10)], "release-x"))
    assert (done.returncode, done.stdout.count("pulled")) == (21, 8)
    assert max(map(int, shell.read("many").split())) in (3, 4)


LOGIN = (".incoming/t1", "ghcr.io", "robot")


def test_a_login_is_thrown_away_with_the_runs_files(shell):
    shell.write(".incoming/t1/registry.password", "hunter2")
    shell.program(
        "docker",
        f'{LOG}[ "$1" != login ] || {{ cat > password; echo $DOCKER_CONFIG > config; }}\n'
        '[ "$1 $2" != "image inspect" ]',
    )
    assert _run(shell, images.pull([REFERENCE], "t", LOGIN)).returncode == 0
    assert _log(shell)[2] == "login --username robot --password-stdin ghcr.io"
    assert shell.read("password") == "hunter2"
    assert shell.read("config").strip() == str(shell.directory / ".incoming/t1/docker")


def test_a_login_leaves_the_engine_that_a_context_names(shell):
    """A rootless engine is a context of the user: a configuration of our own did not know it."""
    shell.write(".incoming/t1/registry.password", "hunter2")
    shell.write("home/contexts/meta/1/meta.json", "{}")
    shell.program(
        "docker",
        'if [ "$1 $2" = "context show" ]; then echo rootless; exit; fi\n'
        'echo "$1 $DOCKER_CONTEXT $(cat $DOCKER_CONFIG/contexts/meta/1/meta.json)" >> docker.log\n'
        '[ "$1 $2" != "image inspect" ]',
    )
    script = (
        f"export DOCKER_CONFIG={shell.directory}/home\n" + images.pull([REFERENCE], "t", LOGIN).text
    )
    assert _run(shell, Script(script)).returncode == 0
    # The first look, for what is missing, is before the login.
    assert set(_log(shell)[1:]) == {
        f"{word} rootless {{}}" for word in ("login", "image", "pull", "tag")
    }


def test_what_is_there_already_needs_no_login(shell):
    """An undo failed over a registry that it did not need."""
    shell.program("docker", f'{LOG}{THERE.format(refs=REFERENCE, code=0)}[ "$1" != login ]')
    done = _run(shell, images.pull([REFERENCE], "t", LOGIN))
    assert (done.returncode, done.stdout) == (0, f"already here: {REFERENCE}\n")
    assert not any("login" in line for line in _log(shell))


def _ahead(shell, room=1):
    shell.write(".incoming/t1/registry.password", "hunter2")
    references = [REFERENCE, "r/here@sha256:2"]
    return _run(shell, images.pull_ahead(references, room, ".incoming/t1", LOGIN[1:]))


HERE = THERE.format(refs="r/here@sha256:2", code=1)


def test_a_pull_ahead_has_no_tag_and_leaves_no_password(shell):
    shell.program("docker", LOG + HERE)
    done = _ahead(shell)
    assert (done.returncode, done.stdout) == (0, f"{REFERENCE}\n"), done.stderr
    assert shell.read(".pulled-ahead") == f"{REFERENCE}\n"
    assert [line.split()[0] for line in _log(shell)] == ["image", "context", "login", "pull"]
    assert not (shell.directory / ".incoming/t1").exists()


def test_what_is_there_is_not_pulled_ahead(shell):
    shell.program("docker", LOG + THERE.format(refs=f"{REFERENCE} r/here@sha256:2", code=0))
    assert _ahead(shell).stdout == ""
    assert len(_log(shell)) == 1
    assert not (shell.directory / ".incoming/t1").exists()


def test_nothing_is_pulled_ahead_where_a_deploy_would_find_no_room(shell):
    shell.program("docker", LOG + HERE)
    done = _ahead(shell, room=10**9)
    assert (done.returncode, done.stderr) == (20, "there is no room to pull ahead\n")
    assert not [line for line in _log(shell) if line.startswith(("login", "pull"))]


def test_images_that_are_not_on_the_host_are_named(shell):
    shell.program("docker", LOG + THERE.format(refs="here@sha256:1 here@sha256:22", code=1))
    done = _run(shell, images.missing(["here@sha256:1", "gone@sha256:2", "here@sha256:2"]))
    assert done.stdout == "gone@sha256:2\nhere@sha256:2\n"
    assert len(_log(shell)) == 1


def test_a_name_that_docker_shortens_is_asked_for_by_itself(shell):
    name = "docker.io/library/postgres@sha256:1"
    program = f'if [ "$3" = {name} ]; then exit 0; fi; echo postgres@sha256:1; exit 1'
    shell.program("docker", program)
    assert _run(shell, images.missing([name, "r/a@sha256:2"])).stdout == "r/a@sha256:2\n"


def test_a_refused_login_says_so(shell):
    shell.write(".incoming/t1/registry.password", "hunter2")
    shell.program("docker", 'echo "denied: bad token" >&2; exit 1')
    done = _run(shell, images.pull([REFERENCE], "t", LOGIN))
    assert done.returncode == 20
    assert done.stderr == "denied: bad token\nregistry ghcr.io refused the login of robot\n"


# -- replace ------------------------------------------------------------------------


def _what(**changes):
    fields = {
        "service": "bot", "variable": "BOT_IMAGE", "image": "r/bot@sha256:2", "config_hash": "h2",
        "start_first": False, "healthy_within": 1, "grace": 3,
    }  # fmt: skip
    return Replacement(**{**fields, **changes})


def _functions(script, calls):
    """A script's functions and settings, and other calls than its last line."""
    body, _, _ = script.text.strip().rpartition("\n")
    return f"{body}\n{calls}\n"


@pytest.mark.parametrize(
    ("before", "name"), [({"A": "$x", "BOT_IMAGE": "old"}, "BOT_IMAGE"), ({"A": "it's"}, "NEW")]
)
def test_one_variable_of_the_env_file_is_changed(shell, before, name):
    shell.write(".env", render_env(before))
    text = _functions(replace_service(_what(), None), f"set_env {name} r/bot@sha256:2")
    assert shell.run(prelude(shell.environment) + text).returncode == 0
    assert parse_env(shell.read(".env")) == {**before, name: "r/bot@sha256:2"}


@pytest.mark.parametrize(
    ("slot", "name", "expected"),
    [("s2", "homeguru-api-2", ("homeguru-api-1", "homeguru-api-2")), ("s1", IDLE, (IDLE, IDLE))],
)
def test_the_file_of_the_edge_follows_its_slots(shell, stack, slot, name, expected):
    """The host's awk writes the very lines that we render and read."""
    edge = stack.deploy.edge
    slots = {"api": ("homeguru-api-1", IDLE), "frontend": ("homeguru-frontend-1", IDLE)}
    shell.write("edge/haproxy.cfg", render("global\n", edge, slots))
    script = replace_service(_what(service="api"), Backend("edge", 8000, 1))
    text = script.text.replace("edge=$(container_ids edge | head -n 1)", ":")
    text = _functions(Script(text), f"write_slot {slot} {name}")
    assert shell.run(prelude(shell.environment) + text).returncode == 0
    assert shell.read("edge/haproxy.cfg") == render("global\n", edge, {**slots, "api": expected})
    assert read_slots(shell.read("edge/haproxy.cfg"))["api"] == expected


def test_a_disk_that_fills_up_leaves_the_edges_file_whole(shell, stack):
    """Behind `if` the shell's own `set -e` is off: half a file would send requests nowhere."""
    edge, slots = stack.deploy.edge, {"api": (IDLE, "homeguru-api-2"), "frontend": (IDLE, IDLE)}
    whole = render("global\n", edge, slots)
    shell.write("edge/haproxy.cfg", whole)
    shell.program("awk", "echo global; exit 2")
    script = let_former_go(_what(service="api"), Backend("edge", 8000, 30))
    text = script.text.replace("edge=$(container_ids edge | head -n 1)", ":")
    calls = "if write_slot s1 homeguru-api-3; then :; fi"
    done = shell.run(prelude(shell.environment) + _functions(Script(text), calls))
    assert (done.returncode, done.stderr) == (20, "cannot write edge/haproxy.cfg\n")
    assert shell.read("edge/haproxy.cfg") == whole


@pytest.mark.parametrize("name", ["homeguru-api-1", IDLE])
def test_the_container_that_is_kept_is_written_and_read_back(shell, stack, name):
    edge, slots = stack.deploy.edge, {"api": (IDLE, "homeguru-api-2"), "frontend": (IDLE, IDLE)}
    shell.write("edge/haproxy.cfg", render("global\n", edge, slots, {"api": "homeguru-api-0"}))
    script = let_former_go(_what(service="api"), Backend("edge", 8000, 30))
    text = script.text.replace("edge=$(container_ids edge | head -n 1)", ":")
    text = _functions(Script(text), f"write_slot former {name}")
    assert shell.run(prelude(shell.environment) + text).returncode == 0
    kept = {"api": name} if name != IDLE else {}
    assert shell.read("edge/haproxy.cfg") == render("global\n", edge, slots, kept)
    assert read_former(shell.read("edge/haproxy.cfg")) == kept


@pytest.mark.parametrize(
    ("answer", "code", "problem"),
    [
        ("running 0 healthy", 0, ""),
        (
            "running 0 unhealthy",
            1,
            "did not become healthy within 1 s; its health check says: 1 no such table",
        ),
        ("exited 0 none", 1, "exited with code 137"),
        ("restarting 2 none", 1, "crashes at start: exit code 137, restarted 2 times"),
        ("running 1 healthy", 1, "crashes at start: exit code 137, restarted once"),
        ("running 0 starting", 1, "did not become healthy within 1 s"),
    ],
)
def test_waiting_for_a_container(shell, answer, code, problem):
    said = "1 refused\n\n1 no such table\n\n"
    program = f'case "$3" in *Log*) printf %b {said!r} ;; *ExitCode*) echo 137 ;; *) echo {answer} ;; esac'
    shell.program("docker", program)
    calls = 'code=0; wait_healthy c1 1 || code=$?; printf "%s %s" "$code" "$problem"'
    text = prelude(shell.environment) + _functions(recreate_service(_what()), calls)
    assert shell.run(text).stdout == f"{code} {problem}"


@pytest.mark.parametrize(
    ("answer", "times"), [("restarting 3 none", "3 times"), ("running 1 starting", "once")]
)
def test_one_that_runs_again_has_no_exit_code_any_more(shell, answer, times):
    """Docker says 0 then, whatever the program ended with: its state may be older than that answer."""
    program = f'case "$3" in *ExitCode*) echo 0 ;; *) echo {answer} ;; esac'
    shell.program("docker", program)
    calls = 'wait_healthy c1 1 || printf "%s" "$problem"'
    text = prelude(shell.environment) + _functions(recreate_service(_what()), calls)
    assert shell.run(text).stdout == (
        f"stopped soon after its start, and Docker restarted it {times}"
    )


def test_unhealthy_is_no_end_before_the_time_is_over(shell):
    """A check may begin sooner than a slow program can answer."""
    program = "if [ -e later ]; then echo running 0 healthy; else echo running 0 unhealthy; fi"
    shell.program("docker", program)
    calls = "(sleep 1; touch later) & wait_healthy c1 20 && echo well"
    text = prelude(shell.environment) + _functions(recreate_service(_what()), calls)
    assert shell.run(text).stdout == "well\n"


def test_what_a_container_was_made_from_is_noted_and_goes_with_it(shell):
    """Compose's own label differs where a service depends on another: no plan would ever be empty."""
    shell.write(".containers", "gone h0\nold1 h1\n")
    shell.program(
        "docker",
        'case "$1" in ps) printf "old1\\nnew1\\n" ;; *) echo "r/bot@sha256:2 label" ;; esac',
    )
    calls = "note_made new1 h2; note_made new1 h3; made_from new1; made_from unknown"
    text = prelude(shell.environment) + _functions(recreate_service(_what()), calls)
    assert shell.run(text).stdout == "r/bot@sha256:2 h3\nr/bot@sha256:2 label\n"
    assert shell.read(".containers") == "old1 h1\nnew1 h3\n"


def test_a_container_that_is_gone(shell):
    shell.program("docker", "exit 1")
    text = _functions(recreate_service(_what()), 'wait_healthy c1 1 || printf "%s" "$problem"')
    assert shell.run(prelude(shell.environment) + text).stdout == "is gone"


def test_what_serves_by_hand_on_its_own_port_is_the_old_one(shell):
    """Both slots of the edge are idle: without it the running one would be tidied away first."""
    shell.program("docker", 'case "$3 $4" in *PortBindings*old1) echo 1 ;; *) echo 0 ;; esac')
    text = (
        prelude(shell.environment)
        + functions("containers", "serving")
        + "containers=(new1 old1) service_of=([new1]=api [old1]=api) state_of=([new1]=running [old1]=running)\n"
        + 'service=api; old=; find_by_hand; printf "%s" "$old"'
    )
    assert shell.run(text).stdout == "old1"


# An old container `old1`; Compose makes `new1`. `state` holds what each one is.
PLAIN = (
    LOG
    + """
case "$1 $2" in
  "ps -aq") [ ! -f old1 ] || echo old1; [ ! -f new1 ] || echo new1 ;;
  "ps -a") [ ! -f old1 ] || echo old1 bot; [ ! -f new1 ] || echo new1 bot ;;
  "compose -p") [[ "$*" != *--no-start* ]] || touch new1 ;;
  "inspect -f") case "$3" in
    *compose.service*) shift 3; for id in "$@"; do
      state='' restarts='' health=''; read -r state restarts health < "$id"
      echo "$id bot ${state:-created} ${restarts:-0} ${health:-none} /homeguru-bot-$id r/bot@sha256:1 h1"
    done ;;
    *RestartCount*) cat "$4" ;;
    *Running*) [ -s "$4" ] && echo true || echo false ;;
    *ExitCode*) echo 3 ;;
    *config-hash*) echo "r/bot@sha256:1 h1" ;;
    *Name*) echo "/homeguru-bot-$4" ;;
    esac ;;
  "logs --tail") echo "Traceback: no token" ;;
  "start new1") echo "$HEALTH" > new1 ;;
  "rm old1"|"rm -f") rm -f "${3:-$2}" ;;
esac
"""
)


def _replace(shell, health):
    shell.write("old1", "running 0 healthy")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.program("docker", PLAIN.replace("$HEALTH", health))
    return _run(shell, replace_service(_what(), None))


def _run_replacing(shell, program, **changes):
    shell.write("old1", "running 0 healthy")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.program("docker", PLAIN.replace("$HEALTH", "running 0 healthy") + program)
    return _run(shell, replace_service(_what(**changes), None))


RECREATED = (
    LOG
    + """
case "$1 $2" in
  "ps -aq") tail -n 1 ids ;;
  "compose -p") [ ! -e anew ] || echo new1 >> ids ;;
  "inspect -f") case "$3" in
    *RestartCount*) [ "$4" = old1 ] && echo running 2 healthy old1 || echo "running $(cat anew) healthy new1" ;;
    *config-hash*) echo "r/bot@sha256:1 h1" ;;
    *ExitCode*) echo 3 ;;
    esac ;;
esac
"""
)


@pytest.mark.parametrize(("anew", "code"), [(None, 0), (0, 0), (2, 20)])
def test_restarts_before_a_recreate_are_no_fault_of_it(shell, anew, code):
    """A database that Docker once started again may be left alone by Compose, its count with it."""
    shell.write("ids", "old1\n")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    if anew is not None:
        shell.write("anew", str(anew))
    shell.program("docker", RECREATED)
    done = _run(shell, recreate_service(_what()))
    assert done.returncode == code, done.stderr
    assert ("restarted 2 times" in done.stderr) == (code == 20)


def test_a_new_container_is_waited_for_until_it_is_ready(shell):
    program = 'if [ "$1" = exec ]; then echo x >> tries; [ "$(wc -l < tries)" = 3 ]; fi'
    done = _run_replacing(shell, program, ready=("is-ready", "a b"), healthy_within=20)
    assert done.returncode == 0, done.stderr
    assert [x for x in _log(shell) if x.startswith("exec")] == ["exec new1 is-ready a b"] * 3
    assert _log(shell)[-1] == "rm old1"


def test_one_that_never_is_ready_gives_way_to_the_old_one_again(shell):
    program = 'if [ "$1" = exec ]; then echo "no connection to x:443 yet"; exit 1; fi'
    done = _run_replacing(shell, program, ready=("is-ready",))
    assert done.returncode == 20
    assert "is not ready within 1 s: no connection to x:443 yet; its last lines:" in done.stderr
    assert "  bot | Traceback: no token" in done.stderr
    assert [line for line in _log(shell) if line.split()[0] in ("start", "rm")][-1] == "start old1"


def test_one_that_crashes_before_it_is_ready_is_not_waited_for(shell):
    """Docker has started it again meanwhile: it would run, and never be ready."""
    program = 'if [ "$1" = exec ]; then echo "running 1 healthy" > new1; exit 1; fi'
    done = _run_replacing(shell, program, ready=("is-ready",), healthy_within=20)
    assert done.returncode == 20
    assert (
        "the new container crashes before it is ready: exit code 3; its last lines:" in done.stderr
    )
    assert len([x for x in _log(shell) if x.startswith("exec")]) == 1
    assert [line for line in _log(shell) if line.split()[0] in ("start", "rm")][-1] == "start old1"


def test_a_folder_that_is_kept_becomes_the_process_s(shell):
    """Of the user of its image, before its container is made."""
    program = 'if [ "$1 $2" = "image inspect" ]; then echo 10001:10001; fi\n'
    program += OWNED % ('printf "/cache "', "true")
    done = _run_replacing(shell, program, volumes=("c:/cache", "u:/app/uploads"))
    assert done.returncode == 0, done.stderr
    log = " ".join(shell.read("docker.log").split())
    looked = log.index("done 10001:10001 /cache /app/uploads ")
    given = log.index("done 10001:10001 /cache /cache /app/uploads ")
    assert looked < given < log.index(" up --no-start ")
    assert "bot runs as 10001:10001: its volume at /cache is that user's now" in done.stdout


def _given(shell) -> list[str]:
    """To whom folders were given, in that order."""
    log = " ".join(shell.read("docker.log").split())
    return re.findall(r"esac; done (\S+ \S+) /cache", log)


USERS = """
[ "$1 $2" != "image inspect" ] || echo 2000
case "$1 $3" in
  "inspect {{.Config.User}}") echo 1000 ;;
  "inspect {{.Image}}") echo sha256:1 ;;
esac
"""


def test_a_folder_goes_back_where_the_new_container_fails(shell):
    """The one that serves on is another user's, and could not write there any more."""
    program = USERS + OWNED % ('printf "/cache "', "true") + '[ "$1" != exec ]'
    done = _run_replacing(shell, program, volumes=("c:/cache",), ready=("is-ready",))
    assert done.returncode == 20
    assert _given(shell) == ["2000 /cache", "1000 /cache"]


def test_a_folder_goes_back_where_the_new_image_is_not_prepared(shell):
    program = USERS + OWNED % ('printf "/cache "', "true")
    program += 'case "$*" in *fetch*) exit 1 ;; "ps -aq"*) echo old1 ;; esac'
    shell.program("docker", LOG + program)
    what = _what(volumes=("c:/cache",))
    assert _run(shell, prepare_image(what, ("fetch",), 5)).returncode == 20
    assert _given(shell) == ["2000 /cache", "1000 /cache"]


OWNED = """
case "$*" in
  *--entrypoint*stat*) %s ;;
  *--entrypoint*chown*) %s ;;
esac
"""


def _own(shell, found, chown="true", calls='own_volumes old1 "$image" "$user"; echo on', **changes):
    """What a script does to volumes before Compose starts the service."""
    there = '[ "$1 $2" != "volume inspect" ] || [ ! -f new ] || exit 1\n'
    shell.program("docker", "echo $* >> docker.log\n" + there + OWNED % (found, chown))
    shell.write("docker.log", "")
    fields = {"user": "70:70", "volumes": ("pg:/data", "certs:/certs"), **changes}
    script = recreate_service(_what(**fields))
    return shell.run(prelude(shell.environment) + _functions(script, calls))


def test_a_volume_of_anothers_is_given_to_who_the_service_runs_as(shell):
    """PostgreSQL stops first: it reads files that are no longer its own."""
    done = _own(shell, 'printf "/certs "')
    assert done.returncode == 0, done.stderr
    look, stop, own = _log(shell)[2:]
    assert look.startswith("run --rm --network none --user 0:0 --cap-drop ALL --cap-add CHOWN ")
    assert f" -v pg:/data -v certs:/certs --entrypoint sh {_what().image} -c " in look
    assert look.endswith(" 70:70 /data /certs")
    assert stop == "stop -t 3 old1"
    assert own.endswith('chown -R "$0" "$folder" || exit ;; esac; done 70:70 /certs /data /certs')
    assert "bot runs as 70:70: its volume at /certs is that user's now" in done.stderr + done.stdout


def test_one_that_is_the_process_s_stays_and_so_does_the_container(shell):
    assert _own(shell, "true").stdout.endswith("on\n")
    assert [line.split()[0] for line in _log(shell)] == ["volume", "volume", "run"]


def test_a_new_volume_is_made_by_compose_before_anybody_looks_at_it(shell):
    """By a command that leaves as many containers as there are."""
    shell.write("new", "")
    done = _own(shell, 'printf "/certs "', calls='own_volumes "" "$image" "$user"; echo on')
    assert done.returncode == 0, done.stderr
    asked, count, made, look, own = _log(shell)
    assert asked == "volume inspect pg"
    assert count.startswith("ps -aq ")
    assert made.endswith(" up --no-start --no-deps --no-recreate --scale bot=0 bot")
    assert look.endswith(" 70:70 /data /certs")
    assert "chown" in own


@pytest.mark.parametrize("why", ["exec: sh: not found", "id: unknown user app"])
def test_an_image_that_cannot_tell_is_passed_over_with_its_reason(shell, why):
    done = _own(shell, f'echo "{why}" >&2; echo "Run docker run --help" >&2; exit 127')
    assert (done.returncode, done.stdout) == (
        0,
        f"bot: whether 70:70 may write to its volumes is not known: {why}\non\n",
    )


def test_nobody_is_asked_where_the_file_names_no_volume(shell):
    assert _own(shell, "true", volumes=()).stdout == "on\n"
    assert _log(shell) == []


def test_a_volume_that_cannot_be_given_away_stops_the_release(shell):
    done = _own(shell, 'printf "/certs "', 'echo "chown: disk" >&2; exit 1')
    assert (done.returncode, "chown: disk" in done.stderr) == (20, True)


def test_what_runs_as_root_may_write_there_anyway(shell):
    assert _run_replacing(shell, "", volumes=("v:/data",)).returncode == 0
    assert not [x for x in _log(shell) if x.startswith("run ")]


def _prepare(shell, program):
    shell.program("docker", LOG + program)
    return _run(shell, prepare_image(_what(), ("sh", "-c", "fetch it"), 1))


def test_preparing_runs_the_new_image_and_touches_no_container(shell):
    done = _prepare(shell, '[ "$1" != compose ] || { echo "fetching"; echo "$BOT_IMAGE" > image; }')
    assert (done.returncode, done.stdout) == (0, "fetching\n")
    assert shell.read("image") == "r/bot@sha256:2\n"
    (run,) = [x for x in _log(shell) if x.startswith("compose")]
    assert run.endswith("run --rm -T --no-deps --name homeguru-prepare-bot bot sh -c fetch it")
    assert not [x for x in _log(shell) if x.split()[0] in ("stop", "start")]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("[ $1 != compose ] || { echo no model; exit 7; }", "exit code 7"),
        ("[ $1 != compose ] || { echo no model; exec sleep 5; }", "not within 1 s"),
    ],
)  # fmt: skip
def test_what_cannot_be_prepared_ends_the_deploy_there(shell, program, said):
    done = _prepare(shell, program)
    last = "the old container runs on; last lines:\n  bot | no model\n"
    assert done.stderr == f"bot: its new image is not prepared, {said}; {last}"
    assert done.returncode == 20
    assert _log(shell)[-1] == "rm -f homeguru-prepare-bot"
    assert not (shell.directory / ".prepare").exists()


def test_stop_first_stops_the_old_one_before_the_new_one_starts(shell):
    done = _replace(shell, "running 0 healthy")
    assert done.returncode == 0, done.stderr
    orders = [line for line in _log(shell) if line.split()[0] in ("stop", "start", "rm")]
    assert orders[:2] == ["stop -t 3 old1", "start new1"]
    assert orders[-1] == "rm old1"
    assert shell.read(".env") == "BOT_IMAGE='r/bot@sha256:2'\n"


def test_a_new_one_that_does_not_live_is_removed_and_the_old_one_started_again(shell):
    done = _replace(shell, "exited 0 none")
    assert done.returncode == 20
    assert done.stderr == (
        "bot: the new container exited with code 3; its last lines:\n  bot | Traceback: no token\n"
    )
    orders = [line for line in _log(shell) if line.split()[0] in ("stop", "start", "rm")]
    assert orders == ["stop -t 3 old1", "start new1", "rm -f new1", "start old1"]
    assert shell.read(".env") == "BOT_IMAGE='r/bot@sha256:1'\n"


def test_a_log_that_cannot_be_read_keeps_no_old_one_down(shell):
    """`logging: {driver: none}`: Docker refuses to show what it did not keep."""
    shell.write("old1", "running 0 healthy")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    silent = PLAIN.replace('echo "Traceback: no token"', "exit 1").replace(
        '"rm -f")', '"rm -f") exit 1;'
    )
    shell.program("docker", silent.replace("$HEALTH", "exited 0 none"))
    done = _run(shell, replace_service(_what(), None))
    assert done.returncode == 20
    assert "started the former container again" in done.stdout
    assert [line for line in _log(shell) if line.split()[0] in ("start", "rm")][-1] == "start old1"


def test_a_new_one_that_does_not_even_start_is_said_so(shell):
    shell.write("old1", "running 0 healthy")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    refused = PLAIN.replace('"start new1") ', '"start new1") exit 1; ').replace("$HEALTH", "x")
    shell.program("docker", refused)
    done = _run(shell, replace_service(_what(), None))
    assert "bot: the new container does not start; its last lines:" in done.stderr


@pytest.mark.parametrize(
    ("state", "code", "stderr"),
    [
        ("exited 0", 0, ""),
        ("exited 3", 20, "bot ended with exit code 3; its last lines:\n  bot | no such table\n"),
        ("created 127", 20, "bot does not start; its last lines:\n  bot | no such table\n"),
        ("running 0", 20, "bot did not end within 1 s; its last lines:\n  bot | no such table\n"),
    ],
)
def test_one_that_runs_once_takes_the_place_of_the_one_before_when_it_has_ended_well(
    shell, state, code, stderr
):
    program = PLAIN.replace("*RestartCount*)", "*State.ExitCode*)").replace(
        "Traceback: no token", "no such table"
    )
    shell.write("old1", "exited 0")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.program("docker", program.replace("$HEALTH", state))
    done = _run(shell, complete(_what(healthy_within=1)))
    assert (done.returncode, done.stderr) == (code, stderr)
    removed = [line for line in _log(shell) if line.startswith("rm")]
    assert removed == ["rm -f old1" if code == 0 else "rm -f new1"]
    assert shell.read(".env") == f"BOT_IMAGE='r/bot@sha256:{2 if code == 0 else 1}'\n"


@pytest.mark.parametrize(
    ("state", "config", "restarts"),
    [("running unhealthy", "h2", 1), ("running healthy", "h2", 0), ("running unhealthy", "h1", 0)],
)
def test_what_runs_and_is_unwell_is_restarted_where_compose_sees_nothing_to_do(
    shell, state, config, restarts
):
    program = 'case "$1 $2" in "ps -aq") echo c1 ;; "inspect -f") case "$3" in *Restart*) echo running 0 healthy ;; *config-hash*) echo "r/bot@sha256:2 HASH" ;; *) echo STATE ;; esac ;; esac'
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.program("docker", LOG + program.replace("STATE", state).replace("HASH", config))
    assert _run(shell, recreate_service(_what())).returncode == 0
    assert _log(shell).count("restart -t 3 c1") == restarts


NETWORKS = """
case "$1 $2" in
  "ps -aq") [ -e made ] && echo new || echo old ;;
  "inspect -f") case "$3" in
    *NetworkSettings.Networks*) cat "networks-$4" ;;
    *RestartCount*) echo running 0 healthy ;;
    *) echo "r/bot@sha256:1 h1" ;;
  esac ;;
  "compose "*) touch made ;;
esac
"""


def test_who_changes_its_networks_stays_in_the_former_ones_as_long_as_its_container_is_there(shell):
    """What is replaced after it goes on asking for it there."""
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.write("networks-old", "app_default\napp_both\nbridge\n")
    shell.write("networks-new", "app_both\napp_data\n")
    shell.program("docker", LOG + NETWORKS)
    assert _run(shell, recreate_service(_what())).returncode == 0
    connected = [line for line in _log(shell) if line.startswith("network ")]
    assert connected == ["network connect --alias bot app_default new"]
    assert shell.read(".networks") == "new app_default\n"


def test_who_was_kept_in_a_network_leaves_it_with_its_container(shell):
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.write(".networks", "old app_default\n")
    shell.write("networks-old", "app_default\napp_data\n")
    shell.write("networks-new", "app_data\n")
    shell.program("docker", LOG + NETWORKS)
    assert _run(shell, recreate_service(_what())).returncode == 0
    assert not [line for line in _log(shell) if line.startswith("network ")]


def test_who_keeps_its_networks_is_connected_to_none(shell):
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.write("networks-old", "app_default\n")
    shell.write("networks-new", "app_default\n")
    shell.program("docker", LOG + NETWORKS)
    assert _run(shell, recreate_service(_what())).returncode == 0
    assert not [line for line in _log(shell) if line.startswith("network ")]


def test_a_replacement_that_was_done_already_touches_nothing(shell):
    done_already = PLAIN.replace("r/bot@sha256:1 h1", "r/bot@sha256:2 h2")
    shell.write("old1", "running 0 healthy")
    shell.write(".env", "BOT_IMAGE='r/bot@sha256:1'\n")
    shell.program("docker", done_already)
    done = _run(shell, replace_service(_what(), None))
    assert (done.returncode, done.stdout) == (0, "homeguru-bot-old1 runs already\n")
    assert not [line for line in _log(shell) if line.split()[0] in ("stop", "start", "rm")]
    assert shell.read(".env") == "BOT_IMAGE='r/bot@sha256:2'\n"


def test_an_edge_that_refuses_its_configuration_is_not_reloaded(shell):
    shell.program(
        "docker", f'{LOG}case $1 in ps) echo e1;; exec) echo "line 7: bad"; exit 1;; esac'
    )
    done = _run(shell, reload_edge("edge"))
    assert done.returncode == 20
    assert done.stderr == "the edge refuses its new configuration: line 7: bad\n"
    assert not [line for line in _log(shell) if "kill" in line]


def test_an_edge_that_is_reloaded_still_comes_back_after_a_reboot(shell):
    """Docker takes a container that `docker kill` has signalled for one that a person stopped."""
    shell.program("docker", f"{LOG}case $1 in ps) echo e1;; esac")
    shell.write(".edge-unread", "e1\n")
    assert _run(shell, reload_edge("edge")).returncode == 0
    assert not (shell.directory / ".edge-unread").exists()
    assert _log(shell)[-1] == "exec e1 bash -c kill -USR2 1"


# -- database -----------------------------------------------------------------------


def _roles():
    return database.prepare_roles("postgres", "postgres", "app", ("own", "OWN"), ("app", "APP"))


def test_passwords_reach_psql_through_its_environment_alone(shell):
    shell.write("secrets.env", render_env({"OWN": "o-w.n", "APP": "a#p$p", "APPX": "no"}))
    shell.program(
        "docker",
        f'{LOG}[ "$1" != ps ] || echo db1\n'
        '[ "$1" != exec ] || { cat > sql; echo "$OWNER_PASSWORD $APPLICATION_PASSWORD" > seen; }',
    )
    assert _run(shell, _roles()).returncode == 0
    assert shell.read("seen") == "o-w.n a#p$p\n"
    assert "ALTER ROLE \"own\" LOGIN PASSWORD :'owner_password';" in shell.read("sql")
    assert "o-w.n" not in shell.read("docker.log") + shell.read("sql")


@pytest.mark.parametrize("password", ["it's", "ends in \\", 'say "x"', "$HOME"])
def test_a_password_may_hold_anything(shell, password):
    shell.write("secrets.env", render_env({"OWN": password, "APP": "x"}))
    shell.program(
        "docker",
        '[ "$1" != ps ] || echo db1\n'
        '[ "$1" != exec ] || { cat > /dev/null; printf %s "$OWNER_PASSWORD" > seen; }',
    )
    assert _run(shell, _roles()).returncode == 0
    assert shell.read("seen") == password


def test_a_password_that_is_not_there_is_named(shell):
    shell.write("secrets.env", render_env({"OWN": "x"}))
    done = _run(shell, _roles())
    assert (done.returncode, done.stderr) == (20, "no OWN or APP in secrets.env\n")


def _migrate(shell, code, revisions=("0001", "0002")):
    shell.program(
        "docker",
        f"""{LOG}case "$1" in
  ps) echo db1 ;;
  exec) if [ -f migrated ]; then echo {revisions[1]}; else echo {revisions[0]}; fi ;;
  compose) echo "INFO running"; echo "$API_IMAGE" > image; touch migrated; exit {code} ;;
esac""",
    )
    script = database.migrate(
        database=("postgres", "postgres", "app", "SELECT 1"), service="migrate",
        variable="API_IMAGE", image=REFERENCE, command=("alembic", "upgrade", "head"), timeout=9,
    )  # fmt: skip
    return shell.run(prelude(shell.environment) + "channel=n\n" + script.text)


def _told(done):
    """The results that a script gave."""
    return [(r.kind, *r.words) for r in Channel("n").split(done.stdout)[1]]


def test_a_migration_tells_the_revision_afterwards(shell):
    done = _migrate(shell, 0)
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["INFO running", "", "@n revision =MDAwMg=="]
    assert _told(done) == [("revision", "0002")]
    assert shell.read("image") == REFERENCE + "\n"
    [run] = [line for line in _log(shell) if line.startswith("compose")]
    assert run.endswith(
        "run --rm -T --no-deps --name homeguru-migrate migrate alembic upgrade head"
    )


def test_a_migration_of_an_empty_database(shell):
    assert _told(_migrate(shell, 0, ("", "0002"))) == [("revision", "0002")]
    assert _told(_migrate(shell, 0, ("", ""))) == [("revision", "")]


def test_a_migration_that_fails_still_says_the_revision(shell):
    done = _migrate(shell, 1, ("0001", "0001"))
    assert done.returncode == 22
    assert _told(done) == [("revision", "0001")]


# -- probe --------------------------------------------------------------------------


def _ask(shell, *question):
    done = _run(shell, probe.probe(shell.environment, [question]))
    assert done.returncode == 0, done.stderr
    return sections(done.stdout)


def test_an_answer_from_inside(shell):
    shell.program(
        "docker", '[ "$1" != ps ] || echo c1 bot\n[ "$1" != exec ] || { echo well; exit 3; }'
    )
    assert _ask(shell, "exec:bot", "bot", ("true",)) == {"exec:bot": "3 well\n"}


def test_a_service_without_a_container(shell):
    assert _ask(shell, "exec:bot", "bot", ("true",)) == {"exec:bot": "1 no container\n"}


def _logged(shell, program, **more):
    shell.program("docker", f'[ "$1" != ps ] || echo c1 bot\n{program}')
    log = Log(must_not=("Telegram[A-Z]\\w+Error", "terminated by"), seconds=30, **more)
    done = _run(shell, probe.probe(shell.environment, [], [("bot", log)]))
    assert done.returncode == 0, done.stderr
    return sections(done.stdout)["log:bot"]


def test_the_last_line_of_a_log_that_must_not_be_there(shell):
    lines = (
        "INFO polling\nERROR TelegramConflictError: one\nERROR TelegramConflictError: two\nINFO x\n"
    )
    program = f'if [ "$1 $2 $3" = "logs --since 30s" ]; then printf "{lines}" >&2; fi'
    assert _logged(shell, program) == "1 ERROR TelegramConflictError: two\n"


def test_a_quiet_log_is_well(shell):
    assert _logged(shell, 'if [ "$1" = logs ]; then echo INFO Conflicting plans; fi') == "0 \n"


def test_an_engine_that_keeps_no_log_says_nothing(shell):
    program = 'if [ "$1" = logs ]; then echo "configured logging driver does not support reading" >&2; exit 1; fi'
    assert _logged(shell, program) == "0 \n"


@pytest.mark.parametrize(
    ("age", "seen"), [("now", "1 ERROR terminated by x\n"), ("1 hour ago", "0 \n")]
)
def test_a_log_file_in_the_container_counts_while_it_is_written_to(shell, age, seen):
    """Its lines have no times that every program writes alike."""
    program = f"""
if [ "$1" = exec ]; then
  shift 2
  echo "ERROR terminated by x" > bot.log; touch -d "{age}" bot.log
  "$@"
fi"""
    assert _logged(shell, program, files=("bot.log", "none.log")) == seen


def test_the_last_lines_of_services(shell):
    shell.program("docker", '[ "$1" != ps ] || echo c1\n[ "$1" != logs ] || echo "loading $3"')
    done = _run(shell, probe.last_words(shell.environment, ["bot"]))
    assert sections(done.stdout) == {"last:bot": "loading 20\n"}


def test_while_something_must_have_been_up_for_a_while_others_answer(shell):
    questions = [("restarts:api", "api", ()), ("exec:bot", "bot", ("true",))]
    logs = [("bot", Log(must_not=("Error",), seconds=30))]
    text = probe.probe(shell.environment, questions, logs).text
    assert text.splitlines()[-7:] == [
        "listed=$(project_containers)", "ask_restarts 3 api",
        "ask_beside ask_container exec:bot bot true", "answer_all", "answer_restarts",
        "ask_beside emit_logged log:bot bot 30 '' -e Error", "answer_all",
    ]  # fmt: skip


def test_four_containers_are_asked_at_a_time(shell):
    """Each question waits until four are there, and no fifth one ever is."""
    shell.program(
        "docker",
        """case $1 in
  ps) echo c1 bot ;;
  exec)
    mine=now.$3
    touch "$mine"
    for _ in {1..100}; do
      set -- now.*
      seen=$#
      [ $seen -lt 4 ] || break
      sleep 0.05
    done
    sleep 0.2
    # One that was late may find fewer by now, and never more.
    set -- now.*
    [ $# -le 4 ] || seen=$#
    echo $seen
    rm -f "$mine" ;;
esac""",
    )
    questions = [(f"exec:q{n}", "bot", (f"q{n}",)) for n in range(8)]
    done = _run(shell, probe.probe(shell.environment, questions))
    assert sections(done.stdout) == {f"exec:q{n}": "0 4\n" for n in range(8)}


def test_a_table_of_many_connections_arrives_whole(shell):
    """A pool of database connections must not hide the one that is looked for."""
    shell.program("docker", '[ "$1" != ps ] || echo c1 bot\n[ "$1" != exec ] || seq 1 100')
    answer = _ask(shell, "tcp:bot", "bot", ("cat", "/proc/net/tcp"))["tcp:bot"]
    assert answer.split() == ["0", *map(str, range(1, 101))]


def test_an_endless_answer_is_cut(shell):
    shell.program("docker", '[ "$1" != ps ] || echo c1 bot\n[ "$1" != exec ] || seq 1 200000')
    answer = _ask(shell, "exec:bot", "bot", ("x",))["exec:bot"]
    assert len(answer) < 200_000
    assert answer.endswith("200000\n")


def test_the_restart_count_of_a_container_that_has_settled(shell):
    shell.program(
        "docker",
        'case "$1 $3" in ps*) echo c1 bot;; *StartedAt*) echo 2020-01-01T00:00:00Z;;'
        ' *) echo "2 running c1";; esac',
    )
    assert _ask(shell, "restarts:bot", "bot", ()) == {"restarts:bot": "2 running\n"}


def test_sections_cannot_be_forged_by_an_answer(shell):
    forged = "exec:api " + base64.b64encode(b"0 fine").decode()
    shell.program("docker", f'[ "$1" != ps ] || echo c1 bot\n[ "$1" != exec ] || echo "{forged}"')
    assert _ask(shell, "exec:bot", "bot", ("x",)) == {"exec:bot": f"0 {forged}\n"}


EDGE = """\
case "$*" in
  *"show servers state"*) n=$(($(cat asked 2>/dev/null || echo 0) + 1)); echo $n > asked
     [ $n -lt {first} ] || for s in s1 s2; do
       printf '1\\n# be_id\\n3 be_api 1 %s 10.0.0.2 2 0 1 1 1 1 3 4 0 0 0 0 homeguru-api-1 8000\\n' $s; done ;;
esac
"""


def _row(shell, first: int):
    shell.program("docker", EDGE.format(first=first))
    shell.program("sleep", "")
    head = "edge=e be=be_api; say() { printf '%s\\n' \"$*\"; }; set -euo pipefail\n"
    head += 'fail() { say "$*" >&2; exit 20; }\n'
    return shell.run(
        head + functions("slots") + "\nname=$(slot_row s1 | awk '{print $4}')\nsay \"$name\"\n"
    )


def test_an_edge_that_answers_nothing_at_first_is_asked_again(shell):
    done = _row(shell, first=3)
    assert (done.returncode, done.stdout) == (0, "homeguru-api-1\n"), done.stderr


def test_an_edge_that_never_answers_is_told_and_nothing_is_taken_for_idle(shell):
    done = _row(shell, first=1000)
    assert (done.returncode, done.stdout, done.stderr) == (20, "", "the edge does not answer\n")
