"""Looking into a database that has its data and no container: PostgreSQL starts on it for a moment."""

from __future__ import annotations

from deployments.commands.container import CONTAINER
from deployments.commands.observe import ASK_DATABASE
from deployments.commands.quote import Script, call, join

_LOOK_INTO = r"""
stop_looking() { docker stop -t 60 "$1" >/dev/null 2>&1 || true; docker rm -f "$1" >/dev/null 2>&1 || true; }
# Never two servers on the same files: one that an earlier run left goes first, and this one goes
# however this script ends.
look_into() {
  local incoming=$1 service=$2 variable=$3 image=$4 healthy=$5 looking=$project-look problem=
  shift 5
  stop_looking "$looking"
  trap "stop_looking $(printf %q "$looking")" EXIT
  export "$variable=$image"
  docker compose -p "$project" --project-directory . -f "$incoming/compose.yml" \
    --env-file "$incoming/.env" --env-file "$incoming/secrets.env" \
    run -d -T --no-deps --name "$looking" "$service" </dev/null >/dev/null 2>"$incoming/said" || { cat "$incoming/said" >&2; exit 20; }
  wait_healthy "$looking" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$looking" "$service"; exit 20; }
  result database "$(ask_database "$looking" "$@")"
}
"""


def look_into(
    *, incoming: str, service: str, variable: str, image: str, healthy_within: int,
    database: tuple[str, str, str],
) -> Script:  # fmt: skip
    """Start the database's image on its data, ask it what an observation asks, and stop it again.

    database: (superuser, name, revision query). Its result is the answer.
    """
    line = call("look_into", incoming, service, variable, image, healthy_within, *database)
    return Script(join(CONTAINER, ASK_DATABASE, _LOOK_INTO, line), timeout=healthy_within + 240)
