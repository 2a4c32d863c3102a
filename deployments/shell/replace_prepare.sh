# shellcheck shell=bash
# A command in a container of the new image, while the old one runs.
# Reads: image project service user variable volumes

prepare_image() {
  local limit=$1 one_off="$project-prepare-$service" code=0 said
  shift
  export "$variable=$image"
  remove_container "$one_off"
  own_volumes '' "$image" "$user"
  timeout "$limit" docker compose -p "$project" --project-directory . -f compose.yml \
    --env-file .env --env-file secrets.env \
    run --rm -T --no-deps --name "$one_off" "$service" "$@" </dev/null 2>&1 | tee .prepare || code=$?
  remove_container "$one_off"
  if [ $code != 0 ]; then
    said="exit code $code"
    [ $code != 124 ] || said="not within $limit s"
    say "$service: its new image is not prepared, $said; the old container runs on; last lines:" >&2
    tail -n 20 .prepare | sed "s/^/  $service | /" >&2
    [ "$volumes" = "" ] || return_volumes "$(container_ids "$service" | head -n 1)"
  fi
  rm -f .prepare
  [ $code = 0 ] || exit 20
}
