"""Asking containers from the inside."""

from __future__ import annotations

from deployments.commands.prelude import prelude
from deployments.commands.quote import Script, call, join
from deployments.environment import Environment

_PROBE = r"""
ask() {
  local name=$1 service=$2 id code=0 answer
  shift 2
  id=$(ids "$service" | head -n 1)
  [ -n "$id" ] || { say "1 no container" | emit "$name"; return; }
  answer=$(timeout 20 docker exec "$id" "$@" 2>&1 </dev/null | tail -c 100000) || code=$?
  say "$code $answer" | emit "$name"
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


def probe(environment: Environment, questions: list[tuple[str, str, tuple[str, ...]]]) -> Script:
    """Run commands inside containers, each answer a section `<exit code> <its end>`.

    questions: (name of the answer, service, command). An empty command asks for the
    service's restart count once it has been up for UP_FOR: last, so that the others' answers
    are had in the meantime.
    """
    asked = [
        call("ask", name, service, *command) for name, service, command in questions if command
    ]
    asked += [call("settled", service, UP_FOR) for _, service, command in questions if not command]
    return Script(join(prelude(environment), _PROBE, *asked), timeout=120)


def tail_logs(environment: Environment, service: str, lines: int, *, follow: bool) -> Script:
    """The last lines of a service's containers."""
    flags = f"--no-color --tail {int(lines)}" + (" --follow" if follow else "")
    text = join(
        prelude(environment), f"compose --ansi never logs {flags} {call('', service).strip()}"
    )
    return Script(text, timeout=86_400 if follow else 60)
