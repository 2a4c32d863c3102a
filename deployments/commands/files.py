"""Putting a release's files in place, and recording how it ended."""

from __future__ import annotations

from deployments.commands.quote import Script, call, join

_UNPACK = r"""
unpack() {
  (umask 077 && mkdir -p "$1" && tar -xf - --no-same-owner -C "$1") ||
    { printf '%s\n' "cannot write into $1" >&2; exit 20; }
}
"""

_INSTALL = r"""
install_release() {
  local incoming=$1 release=$2 file
  [ ! -f secrets.env ] || [ -f secrets.env.previous ] || put secrets.env secrets.env.previous 600
  mkdir -p "releases/$release" edge
  cp "$incoming/manifest.json" "$incoming/compose.yml" "$incoming/plan.json" "releases/$release/"
  cp "$incoming/.env" "releases/$release/variables.env"
  for file in haproxy.cfg secrets.fingerprints; do
    [ ! -f "$incoming/$file" ] || cp "$incoming/$file" "releases/$release/"
  done
  place "$incoming"
}
place() {
  local file
  # The edge's container reads its configuration as another user.
  mkdir -p edge
  chmod 755 edge
  for file in compose.yml secrets.env; do put "$1/$file" "$file"; done
  put "$1/.env.now" .env
  if [ -f "$1/haproxy.cfg" ]; then put "$1/haproxy.cfg" edge/haproxy.cfg 644; fi
}
"""

_RESTORE = r"""
restore_release() {
  if [ -f secrets.env.previous ]; then
    cp -p secrets.env.previous "$1/secrets.env"
  elif [ -s secrets.env ]; then
    cp -p secrets.env "$1/secrets.env"
  fi
  place "$1"
}
"""

_RECORD = r"""
record() {
  local line=$1 incoming=$2 tip=$3 current=$4 release=$5 settled=$6 environment=$7 found
  found=$(printf '0%.0s' {1..64})
  [ ! -s releases.jsonl ] || found=$(tail -n 1 releases.jsonl | tr -d '\n' | sha256sum | cut -c1-64)
  [ "$found" = "$tip" ] || fail "the ledger on this host changed meanwhile: its last line is not the one that was read"
  mkdir -p "releases/$release"
  [ ! -f "$incoming/report.md" ] || cp "$incoming/report.md" "releases/$release/report.md"
  # Whole or not at all: a line that a full disk cut off would break the chain.
  { [ ! -f releases.jsonl ] || cat releases.jsonl; say "$line"; } > releases.jsonl.new
  sync releases.jsonl.new 2>/dev/null || sync
  mv -f releases.jsonl.new releases.jsonl
  if [ -n "$environment" ]; then
    put_out .environment say "$environment"
    put_out .project say "$project"
  fi
  if [ -n "$current" ]; then
    put_out current say "$current"
  fi
  [ "$settled" = no ] || rm -rf secrets.env.previous deadman
}
close_journal() { say "${2//@AT@/$(now)}" >> "journal/$1.jsonl"; }
"""

_REMOVE = r"""
remove_all() {
  docker ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r docker rm -f >/dev/null
  docker network ls -q --filter "label=com.docker.compose.project=$project" | xargs -r docker network rm >/dev/null
  rm -rf compose.yml .env secrets.env secrets.env.previous edge
  say "removed every container of $project; its volumes are kept"
}
"""


def unpack(directory: str, then: Script) -> Script:
    """Put the tar archive on standard input into a directory of the run's own, 0700; then the rest.

    One command and no round trip a file; what cannot be written is told before anything else runs.
    """
    return Script(join(_UNPACK, call("unpack", directory), then.text), timeout=then.timeout)


def install(incoming: str, release: str) -> Script:
    """Copy a release's files into `releases/<id>/` and put them into effect."""
    return Script(join(_INSTALL, call("install_release", incoming, release)))


def restore(incoming: str) -> Script:
    """Put a former release's files back, with the secrets that were valid with it."""
    return Script(join(_INSTALL, _RESTORE, call("restore_release", incoming)))


def remove_all() -> Script:
    """Undo of a first deploy: containers and network go, volumes stay."""
    return Script(join(_REMOVE, "remove_all"), timeout=180)


def forget(release: str) -> Script:
    """Undo of an adoption: its record goes, and what runs is left alone."""
    return Script(f"rm -rf {call('releases/' + release)}\n")


def record(
    line: str, incoming: str, tip: str, current: str, release: str, *, settled: bool = True,
    environment: str = "",
) -> Script:  # fmt: skip
    """Append the run's line to the ledger and, when it became current, say so.

    line: goes with the script, since a file of its own costs four round trips.
    environment: whose directory this is from now on; empty leaves it as it is.
    tip: SHA-256 of the ledger's last line as it was read; any other means stop.
    settled: the host runs exactly one release, so the former secrets may go.
    """
    end = "yes" if settled else "no"
    words = (line, incoming, tip, current, release, end, environment)
    return Script(join(_RECORD, call("record", *words)))


def close(run: str, line: str) -> Script:
    """End the journal of an earlier run that its own deployer could not end."""
    return Script(join(_RECORD, call("close_journal", run, line)))
