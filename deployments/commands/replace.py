"""Replacing one service's container, in the order that was measured to lose no request.

Start-first: the new container becomes healthy, enters the edge's free slot, then the
old one is drained and removed. Stop-first: the new container is created, the old one
stopped, the new one started; a new one that does not become healthy is removed and the
old one started again. An earlier replacement that died half way is tidied up first.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.commands.quote import Script, call, join

_CONTAINER = r"""
wait_healthy() {
  local id=$1 deadline=$((SECONDS + $2)) began=$SECONDS state restarts health
  while :; do
    read -r state restarts health < <(docker inspect -f '{{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$id" 2>/dev/null) || { problem="is gone"; return 1; }
    case $state/$health in
      running/healthy) [ "$restarts" -gt 0 ] || return 0 ;;
      running/none) [ $((SECONDS - began)) -lt 3 ] || return 0 ;;
      */unhealthy) problem="is unhealthy"; return 1 ;;
      exited/*|dead/*) problem="exited with code $(docker inspect -f '{{.State.ExitCode}}' "$id")"; return 1 ;;
    esac
    [ "$restarts" -eq 0 ] || { problem="crashes at start: exit code $(docker inspect -f '{{.State.ExitCode}}' "$id"), restarted $restarts times"; return 1; }
    [ $SECONDS -lt $deadline ] || { problem="did not become healthy within $2 s"; return 1; }
    sleep 0.25
  done
}
last_lines() { docker logs --tail 20 "$1" 2>&1 | sed "s/^/  $2 | /" >&2; }
set_env() {
  awk -v name="$1" -v value="$2" -F= '$1==name{print name "='"'"'" value "'"'"'"; done=1; next} {print} END{if(!done) print name "='"'"'" value "'"'"'"}' .env > .env.new
  mv -f .env.new .env
}
"""

_EDGE = r"""
admin() {
  docker exec "$edge" bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999; printf "%s\n" "$1" >&3; cat <&3' _ "$1"
}
slot_row() { admin "show servers state $be" | awk -v s="$1" '$4==s{print $5, $6, $7, $18}'; }
slot_name() { slot_row "$1" | awk '{print $4}'; }
# Bits of the administrative state that keep traffic away: forced or inherited maintenance,
# drain, no address. The others (4: began disabled, 64: renamed at run time) only inform.
takes_traffic() { [ $(($1 & 59)) = 0 ]; }
slot_ready() { takes_traffic "$(slot_row "$1" | awk '{print $3}')"; }
slot_sessions() { admin "show stat $be 4 -1" | awk -F, -v s="$1" '$2==s{print $5}'; }
write_slot() {
  awk -v be="backend $be" -v slot="$1" -v name="$2" -v port="$port" '
    /^backend /{inside=($0==be)}
    inside && $1=="server" && $2==slot {print "    server " slot " " name ":" port " check" (name=="idle.invalid" ? " disabled" : ""); next}
    {print}' edge/haproxy.cfg > edge/.haproxy.cfg.new
  chmod 644 edge/.haproxy.cfg.new
  mv -f edge/.haproxy.cfg.new edge/haproxy.cfg
}
idle_slot() {
  admin "set server $be/$1 state maint" >/dev/null
  admin "set server $be/$1 fqdn idle.invalid" >/dev/null
  write_slot "$1" idle.invalid
}
enter_slot() {
  local slot=$1 name=$2 deadline=$((SECONDS + 20)) addr op admin_state fqdn
  admin "set server $be/$slot fqdn $name" >/dev/null
  admin "set server $be/$slot state ready" >/dev/null
  while :; do
    read -r addr op admin_state fqdn < <(slot_row "$slot") || true
    [ "$op" = 2 ] && [ "$fqdn" = "$name" ] && [ "$addr" != - ] && takes_traffic "$admin_state" && break
    [ $SECONDS -lt $deadline ] || { idle_slot "$slot"; problem="is not reached by the edge: address $addr, state $op"; return 1; }
    sleep 0.2
  done
  write_slot "$slot" "$name"
}
drain_slot() {
  local slot=$1 deadline=$((SECONDS + drain)) open
  admin "set server $be/$slot state drain" >/dev/null
  while open=$(slot_sessions "$slot") && [ "${open:-0}" -gt 0 ]; do
    if [ $SECONDS -ge $deadline ]; then say "$open connections still open after $drain s are cut"; break; fi
    sleep 0.2
  done
}
# What serves now: sets `slot` and `old`; everything else of the service is tidied away.
find_serving() {
  local s name id
  slot= old=
  for s in s1 s2; do
    name=$(slot_name "$s")
    [ "$name" != idle.invalid ] || continue
    id=$(docker inspect -f '{{.Id}}' "$name" 2>/dev/null) || id=
    if [ -z "$old" ] && [ -n "$id" ] && is_running "$id" && slot_ready "$s"; then
      slot=$s old=$id
    else
      say "an earlier replacement left $name in slot $s: tidied away"
      [ -z "$id" ] || { drain_slot "$s"; docker stop -t "$grace" "$id" >/dev/null; docker rm -f "$id" >/dev/null; }
      idle_slot "$s"
    fi
  done
}
"""

_REPLACE = r"""
tidy() {
  local id
  for id in $(ids "$service"); do
    [ "$id" != "$old" ] || continue
    say "removing $(name_of "$id"), left by an earlier run"
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
is_done() {
  [ -n "$old" ] && [ "$(docker inspect -f '{{.Config.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "$old")" = "$image $hash" ]
}
give_up() {
  local new=$1
  say "$service: the new container $problem; its last lines:" >&2
  last_lines "$new" "$service"
  docker rm -f "$new" >/dev/null
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    docker start "$old" >/dev/null
    [ -z "$routed" ] || wait_healthy "$old" "$healthy" || true
    say "started the former container again"
  fi
  exit 20
}
replace() {
  local new before copies=1
  if [ -n "$routed" ]; then find_serving; else find_plain; fi
  tidy
  if is_done; then say "already replaced"; set_env "$variable" "$image"; return; fi
  export "$variable=$image"
  [ -z "$old" ] || copies=2
  before=$(ids "$service")
  compose up --no-start --no-deps --no-recreate --scale "$service=$copies" "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  new=$(ids "$service" | grep -vxF "${before:-none}" | head -n 1)
  [ -n "$new" ] || fail "Compose created no container for $service"
  if [ "$order" = stop-first ] && [ -n "$old" ]; then
    say "stopping $(name_of "$old")"
    docker stop -t "$grace" "$old" >/dev/null
  fi
  docker start "$new" >/dev/null || give_up "$new"
  say "started $(name_of "$new")"
  wait_healthy "$new" "$healthy" || give_up "$new"
  if [ -n "$routed" ]; then
    local free=s1
    [ "$slot" != s1 ] || free=s2
    enter_slot "$free" "$(name_of "$new")" || give_up "$new"
    say "$(name_of "$new") serves"
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

_UP = r"""
up() {
  local id
  export "$variable=$image"
  compose up -d --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  id=$(ids "$service" | head -n 1)
  wait_healthy "$id" "$healthy" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  set_env "$variable" "$image"
}
"""

_RELOAD = r"""
reload() {
  local id checked
  id=$(ids "$1" | head -n 1)
  checked=$(docker exec "$id" haproxy -c -f /usr/local/etc/haproxy/haproxy.cfg 2>&1) || fail "the edge refuses its new configuration: $checked"
  docker kill -s USR2 "$id" >/dev/null
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
        }
        return [call("declare", f"{name}={value}") for name, value in values.items()]


def replace_routed(what: Replacement, *, edge: str, port: int, drain: int) -> Script:
    """Replace a service behind the edge. `drain` bounds how long open requests may take."""
    route = {"be": f"be_{what.service}", "port": str(port), "drain": str(drain), "routed": "yes"}
    assign = [call("declare", f"{name}={value}") for name, value in route.items()]
    find_edge = f"edge=$({call('ids', edge)} | head -n 1)"
    text = join(_CONTAINER, _EDGE, _REPLACE, *what.settings(), *assign, find_edge, "replace")
    return Script(text, timeout=what.healthy_within * 2 + drain + what.grace * 2 + 120)


def replace_plain(what: Replacement) -> Script:
    """Replace a service that nobody reaches through the edge."""
    text = join(_CONTAINER, _REPLACE, *what.settings(), call("declare", "routed="), "replace")
    return Script(text, timeout=what.healthy_within * 2 + what.grace * 2 + 120)


def up(what: Replacement) -> Script:
    """Start or recreate a service with state or ports of its own: database, edge."""
    text = join(_CONTAINER, *what.settings(), _UP, "up")
    return Script(text, timeout=what.healthy_within + what.grace + 120)


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


def reload_edge(service: str) -> Script:
    """Make the edge read its configuration again; requests in flight go on."""
    return Script(join(_RELOAD, call("reload", service)))
