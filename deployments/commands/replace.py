"""Replacing one service's container, in the order that was measured to lose no request.

Start-first: the new container becomes healthy, enters the edge's free slot, then the
old one is drained and removed. Stop-first: the new container is created, the old one
stopped, the new one started; a new one that does not become healthy is removed and the
old one started again. An earlier replacement that died half way is tidied up first.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from deployments.commands.container import CONTAINER
from deployments.commands.quote import Script, call, join
from deployments.commands.slots import SLOTS

OWN = r"""
# A new volume at a folder that the image has not is root's: it becomes the process's.
own_kept() {
  local user
  [ -n "$kept" ] || return 0
  user=$(docker image inspect -f '{{.Config.User}}' "$image")
  [ -n "$user" ] || return 0
  compose run --rm -T --no-deps --user 0:0 --entrypoint chown "$service" "$user" $kept </dev/null >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
}
"""

_PREPARE = r"""
prepare() {
  local limit=$1 one_off="$project-prepare-$service" code=0 said
  shift
  export "$variable=$image"
  docker rm -f "$one_off" >/dev/null 2>&1 || true
  own_kept
  timeout "$limit" docker compose -p "$project" --project-directory . -f compose.yml \
    --env-file .env --env-file secrets.env \
    run --rm -T --no-deps --name "$one_off" "$service" "$@" </dev/null 2>&1 | tee .prepare || code=$?
  docker rm -f "$one_off" >/dev/null 2>&1 || true
  if [ $code != 0 ]; then
    said="exit code $code"
    [ $code != 124 ] || said="not within $limit s"
    say "$service: its new image is not prepared, $said; the old container runs on; last lines:" >&2
    tail -n 20 .prepare | sed "s/^/  $service | /" >&2
  fi
  rm -f .prepare
  [ $code = 0 ] || exit 20
}
"""

_REPLACE = r"""
# Healthy means that it runs; ready, that it does its work.
wait_ready() {
  local id=$1 deadline=$2 said state restarts
  [ ${#ready[@]} -gt 0 ] || return 0
  until said=$(timeout 20 docker exec "$id" "${ready[@]}" 2>&1 </dev/null); do
    read -r state restarts _ < <(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$id" 2>/dev/null) || { problem="is gone"; return 1; }
    [ "$state $restarts" = "running 0" ] || { problem="crashes before it is ready: exit code $(docker inspect -f '{{.State.ExitCode}}' "$id")"; return 1; }
    [ $SECONDS -lt "$deadline" ] || { problem="is not ready within $healthy s: $(tail -n 1 <<< "$said" | cut -c1-200)"; return 1; }
    sleep 1
  done
}
tidy() {
  local id
  for id in $(ids "$service"); do
    [ "$id" != "$old" ] && [ "$id" != "${former:-}" ] || continue
    say "removing $(name_of "$id"): it does not serve"
    docker rm -f "$id" >/dev/null
  done
}
find_plain() {
  local id
  old=
  for id in $(ids "$service"); do
    if is_running "$id"; then old=$id; break; fi
  done
}
give_up() {
  local new=$1
  say "$service: the new container $problem; its last lines:" >&2
  last_lines "$new" "$service"
  docker rm -f "$new" >/dev/null || true
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    docker start "$old" >/dev/null
    [ -z "$routed" ] || wait_healthy "$old" "$healthy" || true
    say "started the former container again"
  fi
  exit 20
}
replace() {
  local new began
  former= former_name=
  if [ -n "$routed" ]; then find_former; find_serving; [ -n "$old" ] || find_by_hand; else find_plain; fi
  tidy
  if is_wanted "$old"; then
    say "already replaced"
    [ -z "$former_name" ] || remove_former
    set_env "$variable" "$image"
    return
  fi
  if is_wanted "$former" && serves_well "$former" && return_to_former; then return; fi
  export "$variable=$image"
  own_kept
  create_another
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    say "stopping $(name_of "$old")"
    docker stop -t "$grace" "$old" >/dev/null
  fi
  began=$SECONDS
  docker start "$new" >/dev/null || { problem="does not start"; give_up "$new"; }
  say "started $(name_of "$new")"
  wait_healthy "$new" "$healthy" || give_up "$new"
  wait_ready "$new" $((began + healthy)) || give_up "$new"
  if [ -n "$routed" ]; then
    local free=s1
    [ "$slot" != s1 ] || free=s2
    enter_slot "$free" "$(name_of "$new")" || give_up "$new"
    say "$(name_of "$new") serves"
    # Only now: until something else serves, it may be the one that does.
    [ -z "$former_name" ] || remove_former
    if keep_old; then return; fi
    [ -z "$slot" ] || drain_slot "$slot"
  fi
  if [ -n "$old" ]; then
    docker stop -t "$grace" "$old" >/dev/null
    docker rm "$old" >/dev/null
  fi
  if [ -n "$routed" ] && [ -n "$slot" ]; then idle_slot "$slot"; fi
  set_env "$variable" "$image"
}
"""

_FORMER = r"""
# The old container stays: what is open there goes on, and it takes over when the new one is gone.
keep_old() {
  [ -n "$keep" ] && [ -n "$old" ] && [ -n "$slot" ] || return 1
  admin "set server $be/$slot state drain" >/dev/null
  enter_slot former "$(name_of "$old")" || { say "$(name_of "$old") is not kept: it $problem"; return 1; }
  idle_slot "$slot"
  say "$(name_of "$old") is kept through the window"
  set_env "$variable" "$image"
}
serves_well() {
  case $(docker inspect -f '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$1" 2>/dev/null) in
    "running healthy"|"running none") ;;
    *) return 1 ;;
  esac
}
# The container that was kept serves again: nothing has to start first.
return_to_former() {
  local free=s1 back=$former_name
  [ "$slot" != s1 ] || free=s2
  enter_slot "$free" "$back" || { say "$back, which was kept, $problem: another is started"; return 1; }
  idle_slot former
  say "$back serves again"
  [ -z "$slot" ] || drain_slot "$slot"
  if [ -n "$old" ]; then
    docker stop -t "$grace" "$old" >/dev/null
    docker rm -f "$old" >/dev/null
  fi
  [ -z "$slot" ] || idle_slot "$slot"
  set_env "$variable" "$image"
}
in_use() {
  local s
  for s in s1 s2; do
    if [ "$(slot_row "$s" | awk '{print $2}')" = 2 ] && slot_ready "$s"; then return; fi
  done
  return 1
}
# Behind the kept one nobody sees a new one that does not answer: it is asked for once more.
let_go() {
  local deadline=$((SECONDS + 10))
  until in_use; do
    [ $SECONDS -lt $deadline ] || fail "$service: the release before serves again, since the new container does not answer the edge"
    sleep 0.5
  done
  find_former
  [ -z "$former_name" ] || remove_former
}
"""

_UP = r"""
is_unhealthy() { [ "$(docker inspect -f '{{if .State.Health}}{{.State.Status}} {{.State.Health.Status}}{{end}}' "$1" 2>/dev/null)" = "running unhealthy" ]; }
up() {
  local id
  export "$variable=$image"
  id=$(ids "$service" | head -n 1)
  # Compose finds nothing to do where image and configuration are the same.
  if [ -n "$id" ] && is_wanted "$id" && is_unhealthy "$id"; then docker restart -t "$grace" "$id" >/dev/null || true; fi
  compose up -d --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(ids "$service" | head -n 1)
  note_made "$id" "$hash"
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
"""


@dataclass(frozen=True)
class Replacement:
    """One service and what it should run."""

    service: str
    variable: str
    image: str
    config_hash: str
    start_first: bool
    healthy_within: int
    grace: int
    keep: bool = False
    """Whether the container that served stays, and takes over when the new one is gone."""
    ready: tuple[str, ...] = ()
    """Command that exits 0 inside the new container as soon as it does its work."""
    kept: tuple[str, ...] = ()
    """Folders that outlast a release, where the image's user must be able to write."""

    def settings(self) -> list[str]:
        """Shell variables that the functions above read."""
        values = {
            "service": self.service,
            "variable": self.variable,
            "image": self.image,
            "hash": self.config_hash,
            "order": "start-first" if self.start_first else "stop-first",
            "healthy": str(self.healthy_within),
            "grace": str(self.grace),
            "problem": "",
            "keep": "yes" if self.keep and self.start_first else "",
            "kept": " ".join(self.kept),
        }
        words = " ".join(shlex.quote(word) for word in self.ready)
        return [
            *[call("declare", f"{name}={value}") for name, value in values.items()],
            f"ready=({words})",
        ]


def replace_routed(what: Replacement, *, edge: str, port: int, drain: int) -> Script:
    """Replace a service behind the edge. `drain` bounds how long open requests may take."""
    route = {"be": f"be_{what.service}", "port": str(port), "drain": str(drain), "routed": "yes"}
    assign = [call("declare", f"{name}={value}") for name, value in route.items()]
    find_edge = f"edge=$({call('ids', edge)} | head -n 1)"
    parts = (CONTAINER, SLOTS, OWN, _REPLACE, _FORMER, *what.settings(), *assign, find_edge)
    text = join(*parts, "replace")
    return Script(text, timeout=what.healthy_within * 2 + drain + what.grace * 2 + 120)


def prepare(what: Replacement, command: tuple[str, ...], seconds: int) -> Script:
    """Run a command in a container of the new image while the old one runs."""
    line = call("prepare", seconds, *command)
    return Script(join(OWN, _PREPARE, *what.settings(), line), timeout=seconds + 60)


def let_go(what: Replacement, *, edge: str, port: int) -> Script:
    """Remove the container that was kept of the release before; none is fine."""
    assign = [
        call("declare", f"{n}={v}") for n, v in (("be", f"be_{what.service}"), ("port", str(port)))
    ]
    find_edge = f"edge=$({call('ids', edge)} | head -n 1)"
    text = join(SLOTS, _FORMER, *what.settings(), *assign, find_edge, "let_go")
    return Script(text, timeout=what.grace + 60)


def replace_plain(what: Replacement) -> Script:
    """Replace a service that nobody reaches through the edge."""
    text = join(CONTAINER, OWN, _REPLACE, *what.settings(), call("declare", "routed="), "replace")
    return Script(text, timeout=what.healthy_within * 2 + what.grace * 2 + 120)


def up(what: Replacement) -> Script:
    """Start or recreate a service with state or ports of its own: database, edge."""
    text = join(CONTAINER, *what.settings(), _UP, "up")
    return Script(text, timeout=what.healthy_within + what.grace + 120)


def start_stopped(container: str, healthy_within: int) -> Script:
    """Start a container that was stopped, and wait until it is healthy."""
    wait = call("wait_healthy", container, healthy_within) + ' || fail "it $problem"'
    start = call("docker", "start", container) + " >/dev/null"
    return Script(join(CONTAINER, start, wait), timeout=healthy_within + 60)


def stop(service: str, grace: int) -> Script:
    """Stop a service's containers and leave them there: its way back is to start them."""
    return Script(
        f"{call('ids', service)} | xargs -r docker stop -t {grace} >/dev/null\n", timeout=grace + 60
    )


def remove(service: str) -> Script:
    """Stop and remove every container of a service."""
    return Script(
        join(stop(service, 30).text, f"{call('ids', service)} | xargs -r docker rm -f >/dev/null")
    )
