# shellcheck shell=bash
# Volumes of a service, and the user that its process runs as.
# Reads: grace service volumes

# No container of the service: it would have its secrets, and a killed run would leave it. Words: image, the
# program, and what it is told; the folders of the volumes follow.
as_root() {
  local volume from=$1 mounts=() folders=()
  shift
  for volume in $volumes; do mounts+=(-v "$volume") folders+=("${volume#*:}"); done
  docker run --rm --network none --user 0:0 --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE "${mounts[@]}" \
    --entrypoint sh "$from" -c "$@" "${folders[@]}" </dev/null
}
# What Docker has just made is root's, and what was there before may be another user's. Words: image, user.
folders_of_others() {
  # shellcheck disable=SC2016  # read by the container's shell
  as_root "$1" 'user=${0%%:*}
    case $user in *[!0-9]*) user=$(id -u "$user") || exit ;; esac
    for folder; do
      case $(stat -c %a "$folder") in *[2367]) continue ;; esac
      [ "$(stat -c %u "$folder")" = "$user" ] || [ ! -w "$folder" ] || printf "%s " "$folder"
    done' "$2"
}
# A new volume is made by Compose, which knows it by its labels: as many containers as there are stay.
make_volumes() {
  local volume many
  for volume in $volumes; do
    ! docker volume inspect "${volume%%:*}" >/dev/null 2>&1 || continue
    many=$(container_ids "$service" | wc -l)
    compose up --no-start --no-deps --no-recreate --scale "$service=$many" "$service" >/dev/null 2>.create || { cat .create >&2; exit 20; }
    rm -f .create
    return
  done
}
# The container that serves on, after a new one of another user failed, may write there again.
return_volumes() {
  local from who
  [ "$volumes" != "" ] && [ -n "$1" ] || return 0
  from=$(docker inspect -f '{{.Image}}' "$1") && who=$(docker inspect -f '{{.Config.User}}' "$1") || return 0
  (own_volumes '' "$from" "$who") || true
}
# They become the process's: of the user that the Compose file names, else the image. Words: the container that
# runs, which would lose what it reads: it is stopped first, and none is fine; the image; that user.
own_volumes() {
  local from=$2 who=$3 others
  [ "$volumes" != "" ] || return 0
  [ -n "$who" ] || who=$(docker image inspect -f '{{.Config.User}}' "$from")
  [ -n "$who" ] || return 0
  make_volumes
  others=$(folders_of_others "$from" "$who" 2>.create) || {
    # An image without a shell, or one that does not know the user.
    say "$service: whether $who may write to its volumes is not known: $(head -n 1 .create)"
    rm -f .create
    return 0
  }
  rm -f .create
  [ -n "$others" ] || return 0
  [ -z "$1" ] || docker stop -t "$grace" "$1" >/dev/null
  # shellcheck disable=SC2016
  as_root "$from" 'others=" $1"; shift
    for folder; do case $others in *" $folder "*) chown -R "$0" "$folder" || exit ;; esac; done' \
    "$who" "$others" >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  say "$service runs as $who: its volume at ${others% } is that user's now"
}
