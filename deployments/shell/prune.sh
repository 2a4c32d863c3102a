# shellcheck shell=bash
# Letting old releases and journals go.
# Reads: project

images_in_use() { docker ps -aq --no-trunc | xargs -r docker inspect -f '{{.Image}}' 2>/dev/null | sort -u; }
drop_image() {
  local ref=$1 used=$2 id
  id=$(docker image inspect -f '{{.Id}} {{len .RepoTags}}' "$ref" 2>/dev/null) || return 0
  [ "${id#* }" = 0 ] || return 0
  ! grep -qxF "${id% *}" <<< "$used" || return 0
  if docker rmi "$ref" >/dev/null 2>&1; then say "removed image $ref"; fi
}
# A kept release's image keeps a tag: with its last one Docker may let the image go, digest and all.
prune_release() {
  local release=$1 kept=$2 used=$3 ref tag keeper
  for ref in $(image_references "releases/$release"); do
    tag=${ref%@*}:release-${release#*-}
    ! grep -qxF "$ref ${release#*-}" <<< "$kept" || continue
    keeper=$(awk -v ref="$ref" '$1==ref{print $2; exit}' <<< "$kept")
    if [ -n "$keeper" ]; then
      docker tag "$ref" "${ref%@*}:release-$keeper" 2>/dev/null || continue
    fi
    docker rmi "$tag" >/dev/null 2>&1 || true
    [ -n "$keeper" ] || drop_image "$ref" "$used"
  done
  if [ "$release" = 0-adopted ]; then
    for tag in $(docker images --format '{{.Repository}}:{{.Tag}}' "homeguru-adopted/$project/*"); do
      docker rmi "$tag" >/dev/null 2>&1 || true
    done
  fi
  rm -rf "releases/$release"
  say "release $release went, by policy; the ledger keeps its line"
}
prune_releases() {
  local keep=" $1 " folder release kept='' used
  used=$(images_in_use)
  for folder in releases/*/; do
    release=$(basename "$folder")
    case $keep in *" $release "*) kept+=$(image_references "$folder" | sed "s/\$/ ${release#*-}/")$'\n' ;; esac
  done
  for folder in releases/*/; do
    release=$(basename "$folder")
    case $keep in *" $release "*) ;; *) [ ! -d "$folder" ] || prune_release "$release" "$kept" "$used" ;; esac
  done
  prune_ahead "$used"
}
# Images that were pulled for a release which never came.
prune_ahead() {
  local ref
  [ -f .pulled-ahead ] || return 0
  while read -r ref; do drop_image "$ref" "$1"; done < <(sort -u .pulled-ahead)
  rm -f .pulled-ahead
}
# Never one of a run that did not end.
prune_journals() {
  local file
  { ls -1t journal/*.jsonl 2>/dev/null || true; } | tail -n "+$(($1 + 1))" | while read -r file; do
    ! tail -n 1 "$file" | grep -qE '"event":"end".*("kind":"run"|"step":"run )' || rm -f "$file"
  done
}
