#!/bin/sh
# Serve the configuration file given as the only argument, or run any other command.
set -e

case "${1-}" in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
