# shellcheck shell=bash
# Volumes of a service whose Compose file names the user that it runs as.
# Reads: grace image service user volumes

# No container of the service: it would have its secrets, and a killed run would leave it. Words: the program,
# and what it is told; the folders of the volumes follow.
as_root() {
  local volume mounts=() folders=()
  for volume in $volumes; do mounts+=(-v "$volume") folders+=("${volume#*:}"); done
  docker run --rm --network none --user 0:0 --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE "${mounts[@]}" \
    --entrypoint sh "$image" -c "$@" "${folders[@]}" </dev/null
}
# What Docker has just made is root's, and what was there before may be another user's. An image that has
# no shell cannot be asked, and starts as it would by hand.
folders_of_others() {
  # shellcheck disable=SC2016  # read by the container's shell
  as_root 'user=${0%%:*}
    case $user in *[!0-9]*) user=$(id -u "$user") ;; esac
    for folder; do
      case $(stat -c %a "$folder") in *[2367]) continue ;; esac
      [ "$(stat -c %u "$folder")" = "$user" ] || [ ! -w "$folder" ] || printf "%s " "$folder"
    done' "$user" 2>/dev/null || true
}
# They become the process's. Words: the container that runs, which would lose what it reads: it is stopped
# first. None is fine.
own_volumes() {
  local others
  [ "$volumes" != "" ] || return 0
  # A new volume is made by Compose, which knows it by its labels.
  [ -n "$1" ] || compose up --no-start --no-deps "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  others=$(folders_of_others)
  if [ -n "$others" ]; then
    [ -z "$1" ] || docker stop -t "$grace" "$1" >/dev/null
    # shellcheck disable=SC2016
    as_root 'others=" $1"; shift
      for folder; do case $others in *" $folder "*) chown -R "$0" "$folder" || exit ;; esac; done' \
      "$user" "$others" >/dev/null 2>.create || { cat .create >&2; exit 20; }
    say "$service runs as $user: its volume at ${others% } is that user's now"
  fi
  rm -f .create
}
