# shellcheck shell=bash
# A release's files, unpacked from standard input.

unpack_files() {
  (umask 077 && mkdir -p "$1" && tar -xf - --no-same-owner -C "$1") ||
    { printf '%s\n' "cannot write into $1" >&2; exit 20; }
}
