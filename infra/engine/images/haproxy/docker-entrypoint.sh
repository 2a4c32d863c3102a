#!/bin/sh
# Start HAProxy in the foreground as master and worker, as the official image does.
set -e

case "${1-}" in
-*) set -- haproxy "$@" ;;
esac
if [ "${1-}" = haproxy ]; then
    shift
    # -W: a master that reloads on SIGUSR2; -db: stay in the foreground.
    set -- haproxy -W -db "$@"
fi
exec "$@"
