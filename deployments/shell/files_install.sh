# shellcheck shell=bash
# A release's files, put in place.

install_release() {
  local incoming=$1 release=$2 edge=$3 file
  [ ! -f secrets.env ] || [ -f secrets.env.previous ] || put secrets.env secrets.env.previous 600
  mkdir -p "releases/$release" edge
  cp "$incoming/manifest.json" "$incoming/compose.yml" "$incoming/plan.json" "releases/$release/"
  cp "$incoming/.env" "releases/$release/variables.env"
  for file in haproxy.cfg secrets.fingerprints; do
    [ ! -f "$incoming/$file" ] || cp "$incoming/$file" "releases/$release/"
  done
  place_files "$incoming" "$edge"
}
# Words: where they lie, and the edge's service, empty where there is none.
place_files() {
  local file
  # The edge's container reads its configuration as another user.
  mkdir -p edge
  chmod 755 edge
  for file in compose.yml secrets.env; do put "$1/$file" "$file"; done
  put "$1/.env.now" .env
  # Without this file the edge would refuse a configuration that names it.
  [ -f edge/status.map ] || : > edge/status.map
  chmod 644 edge/status.map
  if [ -f "$1/haproxy.cfg" ]; then
    note_unread "$1/haproxy.cfg" "$2"
    put "$1/haproxy.cfg" edge/haproxy.cfg 644
  fi
}
# The edge reads its new file in a step of its own. A run that ends between the two leaves a file that
# is right and an edge that does not know it: the note tells the next one which container that is.
note_unread() {
  [ -n "$2" ] || return 0
  cmp -s "$1" edge/haproxy.cfg || put_out .edge-unread container_ids "$2"
}
