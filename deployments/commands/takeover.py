"""Moving published ports from containers that were deployed by hand to the edge.

Everything new is up and healthy before the ports move; then the old ones stop together and
the edge starts. What cannot be avoided is that both cannot hold a port at once: how long it
did not answer is measured on the host and said.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.commands.container import CONTAINER
from deployments.commands.quote import Script, call, join
from deployments.commands.replace import Replacement
from deployments.commands.slots import SLOTS

_WANTED = r"""
# The container of a service with this image and configuration; none is no error.
wanted() {
  local id
  for id in $(ids "$1"); do
    if [ "$(made_from "$id")" = "$2 $3" ]; then say "$id"; return; fi
  done
}
"""

_BESIDE = r"""
beside() {
  local new
  export "$variable=$image"
  new=$(wanted "$service" "$image" "$hash")
  if [ -z "$new" ]; then
    create_another
  fi
  docker start "$new" >/dev/null || true
  wait_healthy "$new" "$healthy" || {
    say "$service: the new container $problem; its last lines:" >&2
    last_lines "$new" "$service"
    docker rm -f "$new" >/dev/null || true
    exit 20
  }
  say "$(name_of "$new") is up beside the old one"
}
"""

# Compose gives a new container its own network only: what was there goes on asking for the
# database where it always did, under the name that it always had.
_BRIDGED = r"""
up_bridged() {
  local old name networks network id each
  local -A aliases=()
  export "$variable=$image"
  old=$(ids "$service" | head -n 1)
  name=$(name_of "$old")
  networks=$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$old")
  for network in $networks; do
    aliases[$network]=$(docker inspect -f "{{range (index .NetworkSettings.Networks \"$network\").Aliases}}{{println .}}{{end}}" "$old" 2>/dev/null) || true
  done
  compose up --no-start --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(ids "$service" | head -n 1)
  for network in $networks; do
    docker network disconnect "$network" "$id" >/dev/null 2>&1 || true
    docker network connect $(for each in $(printf '%s\n' "$service" "$name" ${aliases[$network]} | sort -u); do printf -- '--alias %s ' "$each"; done) "$network" "$id"
  done
  docker start "$id" >/dev/null
  note_made "$id" "$hash"
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
"""

_HAND_OVER = r"""
ms() { date +%s%3N; }
# Where the edge will publish a port; every address means that this one does too.
address_of() {
  local found
  found=$(docker inspect -f '{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{.HostIp}}{{println}}{{end}}{{end}}' "$edge" 2>/dev/null | awk -v port="$1" '$1==port && !n++{print $2}') || found=
  case $found in ''|0.0.0.0|::) say 127.0.0.1 ;; *) say "$found" ;; esac
}
answers() {
  local line
  ( exec 3<>"/dev/tcp/$3/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 &&
    read -r -t 2 line <&3 && [[ $line == HTTP/*\ [23]* ]] ) 2>/dev/null
}
# The longest time, in ms, between two answers of a port.
longest_silence() {
  local last worst=0 now ever=
  last=$(ms)
  while [ -e .handing-over ]; do
    if answers "$1" "$2" "$3"; then
      now=$(ms) ever=yes
      [ $((now - last)) -le $worst ] || worst=$((now - last))
      last=$now
    fi
    sleep 0.03
  done
  [ -n "$ever" ] || { say "port $1 of $3 did not answer at all"; return; }
  say "port $1 did not answer for $((worst / 1000)).$(printf %03d $((worst % 1000))) s"
}
back_to_old() {
  local id
  say "$1" >&2
  docker stop -t 1 "$edge" >/dev/null 2>&1 || true
  for id in $old; do docker start "$id" >/dev/null || true; done
  say "the ports are with the old containers again" >&2
  exit 20
}
hand_over() {
  local edge_service=$1 edge_variable=$2 edge_image=$3 edge_hash=$4 service port image hash new id deadline
  local old="$holders" all=() watched=() at=()
  shift 4
  # Five words a route: service, port inside, image, hash, published port with its path or -.
  while [ $# -gt 0 ]; do
    service=$1 port=$2 image=$3 hash=$4
    be=be_$service
    new=$(wanted "$service" "$image" "$hash")
    [ -n "$new" ] || fail "there is no new container of $service"
    write_slot s1 "$(name_of "$new")"
    write_slot s2 idle.invalid
    for id in $(ids "$service"); do [ "$id" = "$new" ] || old+=" $id"; done
    [ "$5" = - ] || watched+=("$5")
    shift 5
  done
  old=$(tr ' ' '\n' <<< "$old" | grep . | sort -u || true)
  export "$edge_variable=$edge_image"
  compose up --no-start --no-deps "$edge_service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  edge=$(ids "$edge_service" | head -n 1)
  note_made "$edge" "$edge_hash"
  : > .handing-over
  for id in "${watched[@]}"; do
    at[${id%%/*}]=$(address_of "${id%%/*}")
    longest_silence "${id%%/*}" "/${id#*/}" "${at[${id%%/*}]}" & all+=($!)
  done
  sleep 0.2
  for id in $old; do docker stop -t 5 "$id" >/dev/null & all_stops+=($!); done
  wait "${all_stops[@]}" || true
  docker start "$edge" >/dev/null 2>.create || { problem=$(cat .create); rm -f .handing-over; back_to_old "the edge does not start: $problem"; }
  deadline=$((SECONDS + 30))
  for id in "${watched[@]}"; do
    until answers "${id%%/*}" "/${id#*/}" "${at[${id%%/*}]}"; do
      [ $SECONDS -lt $deadline ] || { rm -f .handing-over; back_to_old "port ${id%%/*} does not answer through the edge"; }
      sleep 0.05
    done
  done
  sleep 0.2
  rm -f .handing-over .create
  wait "${all[@]}" || true
  wait_healthy "$edge" "$healthy" || back_to_old "the edge $problem"
  for id in $old; do docker rm -f "$id" >/dev/null; done
}
"""


@dataclass(frozen=True)
class Moved:
    """A service whose port moves. `public` is the published one, 0 when it had none."""

    what: Replacement
    port: int
    public: int
    health: str

    def words(self) -> tuple[str, ...]:
        """The arguments of one route."""
        watched = f"{self.public}{self.health}" if self.public else "-"
        return (
            self.what.service, str(self.port), self.what.image, self.what.config_hash, watched
        )  # fmt: skip


def beside(what: Replacement) -> Script:
    """A new container of a service beside the old one, healthy, and known to nobody yet."""
    text = join(CONTAINER, _WANTED, _BESIDE, *what.settings(), "beside")
    return Script(text, timeout=what.healthy_within + 120)


def up_bridged(what: Replacement) -> Script:
    """Recreate a database that others still reach in a network, or by a name, of their own."""
    text = join(CONTAINER, *what.settings(), _BRIDGED, "up_bridged")
    return Script(text, timeout=what.healthy_within + what.grace + 120)


def hand_over(edge: Replacement, moved: list[Moved], holders: list[str]) -> Script:
    """Stop what holds the ports, start the edge; prints how long each did not answer.

    holders: names of further containers of the project that hold one of the ports.
    """
    settings = [
        call("declare", f"healthy={edge.healthy_within}"), call("declare", "problem="),
        call("declare", f"holders={' '.join(holders)}"), "all_stops=()",
    ]  # fmt: skip
    words = [word for m in moved for word in m.words()]
    line = call("hand_over", edge.service, edge.variable, edge.image, edge.config_hash, *words)
    named = [call("set_env", m.what.variable, m.what.image) for m in moved]
    named.append(call("set_env", edge.variable, edge.image))
    text = join(CONTAINER, SLOTS, _WANTED, _HAND_OVER, *settings, line, *named)
    return Script(text, timeout=edge.healthy_within + 180)
