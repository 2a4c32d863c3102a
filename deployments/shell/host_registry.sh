# shellcheck shell=bash
# A registry of this environment's own, on the server itself and for it alone.
# Reads: project

registry_id() { docker ps -aq --no-trunc --filter "label=org.homeguru.registry=$project" | head -n 1; }
# Docker's proxy takes a connection before the registry does.
registry_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /v2/ HTTP/1.0\r\n\r\n' >&3 && timeout 5 grep -q '^HTTP.* 200' <&3) 2>/dev/null
}
# image, port
keep_registry() {
  local image=$1 port=$2 id
  id=$(registry_id)
  # Of another port, or one that could not have it: its images are in the volume.
  if [ -n "$id" ] && [ "$(docker inspect -f '{{(index (index .HostConfig.PortBindings "5000/tcp") 0).HostPort}}' "$id")" != "$port" ]; then
    remove_container "$id"
    id=
  fi
  if [ -z "$id" ]; then
    docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image" >/dev/null
    docker run -d --name "$project-registry" --restart unless-stopped \
      --label "org.homeguru.registry=$project" -p "127.0.0.1:$port:5000" \
      -v "${project}_registry:/var/lib/registry" --log-opt max-size=10m --log-opt max-file=2 "$image" >/dev/null
  elif ! is_running "$id"; then docker start "$id" >/dev/null
  fi
  for _ in {1..100}; do
    ! registry_answers "$port" || return 0
    sleep 0.1
  done
  fail "the registry on this server does not answer on port $port: docker logs $project-registry"
}
# Digests of the kept releases' images, and the names of their manifests.
registry_needs() {
  local release
  for release in releases/*/; do
    image_references "$release" | sed 's/.*@//'
    basename "$release" | sed 's/^[0-9]*-//'
  done | sort -u
}
# Tags that are older than the oldest kept release and that none of those needs, with their
# manifests; then blobs that no manifest has. Nobody may push meanwhile: the registry is stopped.
prune_registry() {
  local id oldest minutes removed
  id=$(registry_id)
  [ -n "$id" ] && is_running "$id" || return 0
  # shellcheck disable=SC2012  # our own names
  oldest=$(ls -1tr releases | head -n 1)
  [ -n "$oldest" ] || return 0
  minutes=$((($(date +%s) - $(stat -c %Y "releases/$oldest")) / 60))
  # shellcheck disable=SC2016  # words of the container's shell
  removed=$(registry_needs | docker exec -i "$id" sh -c '
    cat > /tmp/needed
    cd /var/lib/registry/docker/registry/v2/repositories 2>/dev/null || exit 0
    find . -path "*/_manifests/tags/*/current/link" -mmin "+$1" | while read -r link; do
      digest=$(cat "$link") tag=${link%/current/link}
      case ${tag##*/} in latest | *-newest) continue ;; esac
      if grep -qxF -e "$digest" -e "${tag##*/}" /tmp/needed; then continue; fi
      rm -rf "$tag"
      manifests=${tag%/tags/*}
      grep -qsF "$digest" "$manifests"/tags/*/current/link || rm -rf "$manifests/revisions/sha256/${digest#sha256:}"
      echo "$tag"
    done' - "$minutes")
  [ -n "$removed" ] || return 0
  docker stop "$id" >/dev/null
  docker run --rm --volumes-from "$id" --entrypoint registry "$(docker inspect -f '{{.Config.Image}}' "$id")" \
    garbage-collect /etc/docker/registry/config.yml >/dev/null || true
  docker start "$id" >/dev/null
  say "the registry let go of $(grep -c . <<< "$removed") tags"
}
