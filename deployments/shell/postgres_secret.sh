# shellcheck shell=bash
# `secret NAME` prints its value: for the environment of a process, never for its arguments.

secret_value() {
  sed -n -e "s/^$1='\\(.*\\)'$/\\1/p" \
    -e "/^$1=\"/{ s/^$1=\"\\(.*\\)\"$/\\1/; s/\\\\\\(.\\)/\\1/g; p; }" secrets.env
}
