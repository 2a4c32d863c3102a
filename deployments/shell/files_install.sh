# shellcheck shell=bash
# A release's files, put in place.

install_release() {
  local incoming=$1 release=$2 file
  [ ! -f secrets.env ] || [ -f secrets.env.previous ] || put secrets.env secrets.env.previous 600
  mkdir -p "releases/$release" edge
  cp "$incoming/manifest.json" "$incoming/compose.yml" "$incoming/plan.json" "releases/$release/"
  cp "$incoming/.env" "releases/$release/variables.env"
  for file in haproxy.cfg secrets.fingerprints; do
    [ ! -f "$incoming/$file" ] || cp "$incoming/$file" "releases/$release/"
  done
  place_files "$incoming"
}
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
  if [ -f "$1/haproxy.cfg" ]; then put "$1/haproxy.cfg" edge/haproxy.cfg 644; fi
}
