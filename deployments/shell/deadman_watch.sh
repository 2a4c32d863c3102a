# shellcheck shell=bash
# The dead-man switch: waits for a silence, then goes back.

heartbeat_age() { say $(($(date +%s) - $(stat -c %Y lock/beat 2>/dev/null || date +%s))); }
watch_heartbeat() {
  local timeout=$1
  while [ -e deadman/armed ]; do
    if [ "$(heartbeat_age)" -lt "$timeout" ]; then sleep 1; continue; fi
    # One that comes back holds the lock again, or has held it meanwhile: then it is watched further.
    exec 8>>lock/session
    if flock -w 30 8 && [ "$(heartbeat_age)" -ge "$timeout" ]; then break; fi
    exec 8>&-
  done
  [ -e deadman/armed ] || exit 0
  printf '%s\n' "${2//@AT@/$(now)}" > lock/owner.new
  mv -f lock/owner.new lock/owner
  exec 9>>lock/work
  flock -w 60 9 || { stop_work; flock -w 60 9 || fail "a command of the run does not end"; }
  stop_one_offs
}
note_in_journal() { printf '%s\n' "${1//@AT@/$(now)}" >> "journal/$(cat deadman/run).jsonl"; }
# The edge's former file was written when the switch was armed: since then a replacement may have
# entered other containers, and an edge that read the file would send to those that are gone.
keep_slots() {
  local former=deadman/files/haproxy.cfg
  [ -f "$former" ] && [ -s edge/haproxy.cfg ] || return 0
  # shellcheck disable=SC2016  # awk's own variables
  put_out "$former" awk '
    $1=="backend" {be=$2}
    FNR==NR {if ($1=="server") now[be, $2]=$0; next}
    $1!="server" || !((be, $2) in now) {print; next}
    now[be, $2] !~ / idle\.invalid:/ {print now[be, $2]; next}
    {if ($3 !~ /^idle\.invalid:/) {sub(/^.*:/, "idle.invalid:", $3); $0="    server " $2 " " $3 " check" ($0 ~ / backup/ ? " backup" : "") " disabled"} print}' edge/haproxy.cfg "$former"
}
# Each step in a shell of its own, as a deployer would call it.
run_way_back() {
  local begin=$1 end=$2 failed=$3 each
  note_in_journal "$begin"
  keep_slots
  for each in deadman/step-*.sh; do
    if ! bash "$each"; then note_in_journal "$failed"; exit 1; fi
  done
  note_in_journal "$end"
  rm -f deadman/armed
}
