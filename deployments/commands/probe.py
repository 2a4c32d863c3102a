"""Asking containers from the inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment
from deployments.xdeploy import Log

_PROBE = r"""
ask() {
  local name=$1 service=$2 id code=0 answer
  shift 2
  id=$(ids "$service" | head -n 1)
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  answer=$(timeout 20 docker exec "$id" "$@" 2>&1 </dev/null | tail -c 100000) || code=$?
  say "$code $answer" | emit "$name"
}
# Its last line of the last seconds that fits: of its output, and of files that were written in that time.
logged() {
  local name=$1 service=$2 seconds=$3 files=$4 id found
  shift 4
  id=$(ids "$service" | head -n 1)
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  found=$({
    docker logs --since "${seconds}s" "$id" 2>&1 || true
    [ -z "$files" ] || timeout 20 docker exec "$id" sh -c '
      for file in $1; do
        [ -f "$file" ] && [ $(($(date +%s) - $(stat -c %Y "$file"))) -le "$0" ] && tail -n 20 "$file"
      done' "$seconds" "$files" 2>/dev/null </dev/null || true
  } | grep -E "$@" | tail -n 1 | cut -c1-300) || true
  if [ -n "$found" ]; then say "1 $found"; else say "0 "; fi | emit "$name"
}
last_words() {
  local id
  id=$(ids "$1" | head -n 1)
  [ -n "$id" ] || return 0
  { docker logs --tail 20 "$id" 2>&1 || true; } | emit "last:$1"
}
settled() {
  local id up wait=$2
  # The newest: an older one may be kept through a window, and is not asked about.
  id=$(ids "$1" | head -n 1)
  [ -n "$id" ] || return 0
  up=$(( $(date +%s) - $(date -d "$(docker inspect -f '{{.State.StartedAt}}' "$id")" +%s) ))
  [ $up -ge "$wait" ] || sleep $((wait - up))
  docker inspect -f '{{.RestartCount}} {{.State.Status}}' "$id" | emit "restarts:$1"
}
"""


UP_FOR = 3
"""Seconds after which a container counts as up, as for one without a health check."""


def probe(
    environment: Environment,
    questions: list[tuple[str, str, tuple[str, ...]]],
    logs: Sequence[tuple[str, Log]] = (),
) -> Script:
    """Run commands inside containers, each answer a section `<exit code> <its end>`.

    questions: (name of the answer, service, command). An empty command asks for the
    service's restart count once it has been up for UP_FOR: late, so that the others' answers
    are had in the meantime. logs: service and what is looked for there, last of all.
    """
    asked = [
        call("ask", name, service, *command) for name, service, command in questions if command
    ]
    asked += [call("settled", service, UP_FOR) for _, service, command in questions if not command]
    asked += [
        call(
            "logged", f"log:{service}", service, log.seconds, " ".join(log.files),
            *[word for pattern in log.must_not for word in ("-e", pattern)],
        )
        for service, log in logs
    ]  # fmt: skip
    return Script(join(prelude(environment), _PROBE, *asked), timeout=120)


def last_words(environment: Environment, services: list[str]) -> Script:
    """The last lines of some services' newest containers, a section `last:<service>` each."""
    asked = [call("last_words", service) for service in services]
    return Script(join(prelude(environment), _PROBE, *asked))


@dataclass(frozen=True)
class Tail:
    """Which lines of which services. since: a duration or a time, as Compose reads it."""

    services: tuple[str, ...]
    lines: int
    since: str = ""
    follow: bool = False


def tail_logs(environment: Environment, wanted: Tail) -> Script:
    """The last lines of services' containers, with their times."""
    flags = f"--no-color --timestamps --tail {int(wanted.lines)}"
    flags += f" --since {call('', wanted.since).strip()}" if wanted.since else ""
    flags += " --follow" if wanted.follow else ""
    services = call("", *wanted.services).strip()
    text = join(prelude(environment), f"compose --ansi never logs {flags} {services}")
    return Script(text, timeout=86_400 if wanted.follow else 60)
