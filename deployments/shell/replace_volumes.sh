# shellcheck shell=bash
# Volumes of a service whose Compose file names the user that it runs as.
# Reads: grace service user volumes

as_root() { compose run --rm -T --no-deps --user 0:0 --cap-add CHOWN --cap-add DAC_OVERRIDE --entrypoint sh "$service" -c "$@" </dev/null; }
# What Docker has just made is root's, and what was there before may be another user's. An image that has
# no shell cannot be asked, and starts as it would by hand.
folders_of_others() {
  # shellcheck disable=SC2016,SC2086  # read by the container's shell; folders, one word each
  as_root 'user=${0%%:*}
    case $user in *[!0-9]*) user=$(id -u "$user") ;; esac
    for folder; do
      case $(stat -c %a "$folder") in *[2367]) continue ;; esac
      [ "$(stat -c %u "$folder")" = "$user" ] || [ ! -w "$folder" ] || printf "%s " "$folder"
    done' "$user" $volumes 2>/dev/null || true
}
# They become the process's. Words: the container that runs, which would lose what it reads: it is stopped
# first. None is fine.
own_volumes() {
  local others
  [ "$volumes" != "" ] || return 0
  others=$(folders_of_others)
  [ -n "$others" ] || return 0
  [ -z "$1" ] || docker stop -t "$grace" "$1" >/dev/null
  # shellcheck disable=SC2016,SC2086
  as_root 'chown -R "$0" "$@"' "$user" $others >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  say "$service runs as $user: its volume at ${others% } is that user's now"
}
