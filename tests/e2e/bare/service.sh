#!/bin/bash
# What `service docker start` does on a machine that runs it; Debian's script raises a limit that a
# container may not have.
set -eu
[[ $1 == docker ]] || exec /usr/sbin/service "$@"
running() { pgrep -x dockerd >/dev/null; }
if [[ $2 != start ]]; then
    pkill -TERM -x dockerd || :
    for _ in {1..100}; do running || break; sleep 0.1; done
fi
running || [[ $2 == stop ]] || setsid nohup dockerd </dev/null >>/var/log/docker.log 2>&1 &
