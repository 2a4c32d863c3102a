# shellcheck shell=bash
# The way back to release 0: its files, its images' names, its containers.
# Reads: by_hand_compose healthy problem

put_link() {
  [ "$(readlink "$1")" != "$(readlink ".put-back$1")" ] || return 0
  mkdir -p "$(dirname "$1")"
  cp -dp --remove-destination ".put-back$1" "$1" || fail "$1 cannot be put back"
}
# Containers have written to what is mounted since: of that, only what is gone comes back, and what a
# deploy of ours writes itself.
put_files_back() {
  local folder=releases/$1 path count=0
  [ -f "$folder/files.tar" ] || fail "the files of release $1 are gone"
  rm -rf .put-back
  mkdir .put-back
  tar -xzpf "$folder/files.tar" -C .put-back 2>.put-back.said || { cat .put-back.said >&2; exit 20; }
  # What is ours goes first: beside docker-compose.yml, Compose would read our compose.yml.
  rm -f compose.yml .env secrets.env
  while read -r path; do
    if [ -L ".put-back$path" ]; then
      put_link "$path"
      continue
    fi
    if [ -e "$path" ]; then
      ! cmp -s ".put-back$path" "$path" || continue
      [ "$path" = "$PWD/edge/haproxy.cfg" ] || grep -qxF "$path" "$folder/settings.list" || continue
    fi
    mkdir -p "$(dirname "$path")"
    # In place first: what is mounted follows its file, not its name.
    cp -p ".put-back$path" "$path" 2>/dev/null || cp -p --remove-destination ".put-back$path" "$path" || fail "$path cannot be put back"
    count=$((count + 1))
  done < "$folder/files.list"
  rm -rf .put-back .put-back.said
  say "$count files put back, the others are as they were"
}
tag_image_again() {
  docker image inspect "$2" >/dev/null 2>&1 || fail "the image of $1 is no longer on this host: $2"
  case $3 in *@*|sha256:*) ;; *) docker tag "$2" "$3" ;; esac
}
# What Compose's file has and did not run then: a later release of ours may have started it.
stop_other_services() {
  local id service
  for id in $(containers_by_hand); do
    service=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' "$id" 2>/dev/null) || continue
    case " $* " in *" $service "*) continue ;; esac
    ! is_running "$id" || docker rm -f "$id" >/dev/null
  done
}
start_by_hand() {
  local id left before until=$((SECONDS + healthy))
  stop_other_services "$@"
  # shellcheck disable=SC2046  # one word a container
  before=$(running_restarts $(containers_by_hand))
  "${by_hand_compose[@]}" up -d --no-build --pull never --remove-orphans "$@" </dev/null >/dev/null 2>.create || { cat .create >&2; exit 20; }
  rm -f .create
  for service in "$@"; do
    id=$(container_ids "$service" | head -n 1)
    # They start together, so one deadline holds for all; what is up already needs some seconds to show it.
    left=$((until - SECONDS))
    wait_healthy "$id" $((left > 5 ? left : 5)) "$(awk -v id="$id" '$1==id{print $2}' <<< "$before")" || { say "$service $problem; its last lines:" >&2; last_lines "$id" "$service"; exit 20; }
  done
}
