# shellcheck shell=bash
# Roles and grants. Passwords go from the 0600 file through the environment: `-e NAME` without a
# value.

create_roles() {
  local id
  id=$(container_ids "$1" | head -n 1)
  OWNER_PASSWORD=$(secret_value "$4") APPLICATION_PASSWORD=$(secret_value "$5")
  [ -n "$OWNER_PASSWORD" ] && [ -n "$APPLICATION_PASSWORD" ] || fail "no $4 or $5 in secrets.env"
  export OWNER_PASSWORD APPLICATION_PASSWORD
  docker exec -i -e OWNER_PASSWORD -e APPLICATION_PASSWORD "$id" \
    psql -U "$2" -d "$3" -qX -v ON_ERROR_STOP=1 --single-transaction <<< "$6" >/dev/null
}
