# shellcheck shell=bash
# Folders that outlast a release, made writable for the image's user.
# Reads: image service

# A new volume at a folder that the image has not is root's: it becomes the process's.
own_kept() {
  local user
  [ -n "$kept" ] || return 0
  user=$(docker image inspect -f '{{.Config.User}}' "$image")
  [ -n "$user" ] || return 0
  # shellcheck disable=SC2086  # folders, one word each
  # Of a service that drops all of them, root has no capability either.
  compose run --rm -T --no-deps --user 0:0 --cap-add CHOWN --cap-add DAC_OVERRIDE --entrypoint chown "$service" "$user" $kept </dev/null >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
}
