# shellcheck shell=bash
# Ending the command that is at work. `timeout` leads a process group and hands the signal on to
# all of it.

# `timeout` leads a process group and hands the signal on to all of it.
stop_work() {
  [ ! -s lock/pid ] || kill -TERM "$(cat lock/pid)" 2>/dev/null || true
}
