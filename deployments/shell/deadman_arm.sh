# shellcheck shell=bash
# Arming the dead-man switch.

arm_deadman() {
  local incoming=$1
  rm -rf deadman
  mkdir -p deadman
  cp -r "$incoming/back" deadman/files
  mv deadman/files/watch.sh deadman/files/step-*.sh deadman/
  say "$HOMEGURU_RUN" > deadman/run
  : > lock/beat
  : > deadman/armed
  # No lock goes with it: both would be held for as long as it watches.
  setsid nohup bash deadman/watch.sh </dev/null >deadman/log 2>&1 8>&- 9>&- &
}
