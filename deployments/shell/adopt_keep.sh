# shellcheck shell=bash
# Keeping the files and images of what was deployed by hand, as release 0.
# Reads: project

# Small files beside the Compose file: what it and its containers are made from.
settings_files() {
  tr ',' '\n' <<< "$2,$3" | grep . || true
  find "$1" -maxdepth 1 -type f -size -1024k \( -name '*.env' -o -name '.env*' -o -name '*.yml' -o -name '*.yaml' -o -name '*.cfg' -o -name '*.conf' \) 2>/dev/null || true
}
# What is mounted from there may be configuration or data; where it may not be read, it is left out.
mounted_files() {
  local path
  mounted_folders "$1" | while read -r path; do
    [ "$({ find "$path" -type f 2>/dev/null || true; } | wc -l)" -gt 200 ] || find "$path" -type f -size -1024k -readable 2>/dev/null || true
  done
}
mounted_folders() {
  docker ps -aq --filter "label=com.docker.compose.project=$project" |
    xargs -r docker inspect -f '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}' |
    awk -v under="$1/" 'index($0, under) == 1' | sort -u
}
keep_by_hand() {
  local incoming=$1 release=$2 directory=$3 files=$4 env_files=$5 folder
  folder=releases/$release
  mkdir -p "$folder"
  settings_files "$directory" "$files" "$env_files" | sort -u > "$folder/settings.list"
  { cat "$folder/settings.list"; mounted_files "$directory"; } | sort -u > "$folder/files.list"
  tar -czf "$folder/files.tar.new" --absolute-names -T "$folder/files.list" || fail "the files in $directory cannot be read"
  mv -f "$folder/files.tar.new" "$folder/files.tar"
  cp "$incoming/manifest.json" "$incoming/plan.json" "$folder/"
  tr ',' '\n' <<< "$files" | head -n 1 | while read -r each; do cp "$each" "$folder/compose.yml"; done
  : > "$folder/variables.env"
  tr ',' '\n' <<< "$env_files" | while read -r each; do [ ! -f "$each" ] || cat "$each" >> "$folder/variables.env"; done
  say "kept $(wc -l < "$folder/files.list") files of $directory"
}
# A name of our own, so that no clean-up takes an image that release 0 needs.
hold_image() { docker tag "$2" "homeguru-adopted/$project/${1,,}:0"; }
