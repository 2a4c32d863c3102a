# shellcheck shell=bash
# Roles and grants. Passwords go from the 0600 file through the environment: `-e NAME` without a
# value.

# Words: service, superuser, database, SQL, then the secrets of owner, application and superuser.
create_roles() {
  OWNER_PASSWORD=$(secret_value "$5") APPLICATION_PASSWORD=$(secret_value "$6")
  SUPERUSER_PASSWORD=$(secret_value "$7")
  [ -n "$OWNER_PASSWORD" ] && [ -n "$APPLICATION_PASSWORD" ] || fail "no $5 or $6 in secrets.env"
  [ -n "$SUPERUSER_PASSWORD" ] || fail "no $7 in secrets.env"
  export OWNER_PASSWORD APPLICATION_PASSWORD SUPERUSER_PASSWORD
  change_roles "${@:1:4}" -e OWNER_PASSWORD -e APPLICATION_PASSWORD -e SUPERUSER_PASSWORD
}
# Words: service, superuser, database, SQL, then what `docker exec` is told besides.
change_roles() {
  docker exec -i "${@:5}" "$(container_ids "$1" | head -n 1)" \
    psql -U "$2" -d "$3" -qX -v ON_ERROR_STOP=1 --single-transaction <<< "$4" >/dev/null
}
