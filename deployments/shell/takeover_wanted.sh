# shellcheck shell=bash
# The container of a service that a release wants.

# The container of a service with this image and configuration; none is no error.
wanted_container() {
  local id
  for id in $(container_ids "$1"); do
    if [ "$(made_from "$id")" = "$2 $3" ]; then say "$id"; return; fi
  done
}
