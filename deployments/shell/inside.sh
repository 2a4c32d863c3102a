# shellcheck shell=bash
# A command of a person's own in a service's container.

# service, flags of `docker exec`, the command; of two containers during a release the newer one
enter_container() {
  local service=$1 flags=$2 id
  shift 2
  for id in $(container_ids "$service"); do
    # shellcheck disable=SC2086  # flags are words
    ! is_running "$id" || exec docker exec $flags "$id" "$@"
  done
  fail "no container of $service runs"
}
