"""Entering a slot of the edge: how long what has no health check of its own is waited for."""

from __future__ import annotations

import pytest

from deployments.shell.quote import functions

# Time goes on by each wait alone. The edge's check fails until $UP seconds, with $FIRST and $STATUS.
STAND_IN = """
SECONDS=0 be=be_web port=8080 problem=
unset SECONDS; SECONDS=0
sleep() { SECONDS=$((SECONDS + 1)); }
say() { printf '%s\\n' "$*"; }
docker() {
  case "$*" in
    *NetworkSettings*) echo 10.0.0.2 ;;
    *RestartCount*) echo "$CONTAINER" ;;
  esac
}
up() { [ $SECONDS -ge "$UP" ]; }
slot_rows() {
  local port
  [[ ${1:-} != *"addr 10.0.0.2 port 8080"* ]] || echo 8080 > slot-port
  port=$(cat slot-port 2>/dev/null || echo 8080)
  if up; then echo "s1 10.0.0.2 2 0 web-1 2 $port"; else echo "s1 10.0.0.2 0 0 web-1 0 $port"; fi
}
edge_answer() {
  local i row=be_web,s1
  for i in {3..36}; do row+=,; done
  echo "$row,$FIRST,$STATUS"
}
idle_slot() { :; }
write_slot() { say "serves after $SECONDS s"; }
"""
CALL = 'enter_slot s1 web-1 || say "gives up after $SECONDS s: it $problem"\n'


def entered(shell, *, up: int, healthy: int, check: str, status: str = "", container: str) -> str:
    values = f"UP={up} healthy={healthy} FIRST='{check}' STATUS={status} CONTAINER='{container}'\n"
    done = shell.run(functions("slots") + STAND_IN + values + CALL)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


NO_CHECK, CHECKED = "running 0 ", "running 0 checked"


@pytest.mark.parametrize("check", ["L4CON", "* L4CON", "INI", "L7TOUT", "L7OK"])
def test_what_does_not_listen_yet_has_the_time_of_a_start(shell, check: str) -> None:
    said = entered(shell, up=40, healthy=60, check=check, container=NO_CHECK)
    assert said == "serves after 40 s"


def test_what_never_listens_is_given_up_after_that(shell) -> None:
    said = entered(shell, up=999, healthy=60, check="L4CON", container=NO_CHECK)
    assert (
        said
        == "gives up after 60 s: it is not reached by the edge: nothing listens on port 8080 of its address 10.0.0.2; on 127.0.0.1 alone, or too late?"
    )


def test_a_slot_gets_the_port_of_whoever_enters_it(shell) -> None:
    """It has that of the container before; the edge changes it only where it knows an address."""
    shell.write("slot-port", "8000")
    said = entered(shell, up=0, healthy=60, check="L7OK", container=CHECKED)
    assert (said, shell.read("slot-port")) == ("serves after 0 s", "8080\n")


@pytest.mark.parametrize("check", ["L7STS", "L7OKC"])
def test_what_answers_an_error_is_given_up_soon(shell, check: str) -> None:
    said = entered(shell, up=999, healthy=60, check=check, status="500", container=NO_CHECK)
    assert said.startswith("gives up after 20 s: it answers 500 to the edge's health check")


@pytest.mark.parametrize("container", [CHECKED, "running 1 ", "exited 0 ", ""])
def test_what_has_a_check_of_its_own_or_crashed_is_given_up_soon(shell, container: str) -> None:
    said = entered(shell, up=999, healthy=60, check="L4CON", container=container)
    assert said.startswith("gives up after 20 s")
