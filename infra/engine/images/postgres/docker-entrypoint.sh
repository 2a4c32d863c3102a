#!/usr/bin/env bash
# Prepare the data folder at the first start, then run the server: the official image's contract
# (POSTGRES_USER, _PASSWORD, _DB, _INITDB_ARGS, _HOST_AUTH_METHOD, each also as *_FILE, initdb.d).
set -Eeuo pipefail

# Set variable $1 from itself, the file named in $1_FILE, or the default $2.
from_file() {
    local name=$1 file_name="${1}_FILE"
    if [[ -n ${!name-} && -n ${!file_name-} ]]; then
        echo "error: both $name and $file_name are set" >&2
        exit 1
    fi
    local value=${!name:-${2-}}
    [[ -z ${!file_name-} ]] || value=$(<"${!file_name}")
    export "$name=$value"
    unset "$file_name"
}

prepare_folders() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    if [[ $(id -u) == 0 ]]; then
        chown postgres:postgres /var/run/postgresql
        find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    fi
}

create_cluster() {
    if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        echo "error: POSTGRES_PASSWORD must be set to initialise the database" >&2
        exit 1
    fi
    local password_file=/dev/null arguments=()
    if [[ -n $POSTGRES_PASSWORD ]]; then
        password_file=$(mktemp)
        printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
        arguments+=("--pwfile=$password_file")
    fi
    # shellcheck disable=SC2086  # it is a list of words, as in the official image
    initdb --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=trust "${arguments[@]}" $POSTGRES_INITDB_ARGS
    [[ $password_file == /dev/null ]] || rm -f "$password_file"
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
    # These client programs look in /tmp, everything else in /var/run/postgresql.
    echo "unix_socket_directories = '/var/run/postgresql,/tmp'" >>"$PGDATA/postgresql.conf"
}

run_psql() {
    psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"
}

run_init_file() {
    # shellcheck disable=SC1090  # whatever was mounted
    case "$1" in
    *.sh) if [[ -x $1 ]]; then "$1"; else . "$1"; fi ;;
    *.sql) run_psql --dbname "$POSTGRES_DB" -f "$1" ;;
    *.sql.gz) gunzip -c "$1" | run_psql --dbname "$POSTGRES_DB" ;;
    *) echo "ignoring $1" ;;
    esac
}

# Start a server that only the socket reaches, create the database, run the given files.
fill_cluster() {
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -p 5432" start
    if [[ $POSTGRES_DB != postgres ]]; then
        run_psql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    export PGPASSWORD="${PGPASSWORD-$POSTGRES_PASSWORD}"
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        [[ ! -e $file ]] || run_init_file "$file"
    done
    unset PGPASSWORD
    pg_ctl -D "$PGDATA" -m fast -w stop
}

wants_help() {
    local argument
    for argument; do
        case "$argument" in
        -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

[[ ${1:0:1} != - ]] || set -- postgres "$@"
if [[ ${1-} == postgres ]] && ! wants_help "$@"; then
    prepare_folders
    # The server refuses to run as root.
    [[ $(id -u) != 0 ]] || exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    if [[ ! -s $PGDATA/PG_VERSION ]]; then
        from_file POSTGRES_PASSWORD
        from_file POSTGRES_USER postgres
        from_file POSTGRES_DB "$POSTGRES_USER"
        from_file POSTGRES_INITDB_ARGS
        : "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
        create_cluster
        fill_cluster
        echo 'PostgreSQL init process complete; ready for start up.'
    fi
fi
exec "$@"
