# shellcheck shell=bash
# A service that runs to its end.
# Reads: healthy image service user variable

wait_ended() {
  local id=$1 deadline=$((SECONDS + $2)) state code
  while :; do
    read -r state code < <(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$id" 2>/dev/null) || { problem="is gone"; return 1; }
    case $state/$code in
      exited/0) return 0 ;;
      created/*) problem="does not start"; return 1 ;;
      exited/*|dead/*) problem="ended with exit code $code"; return 1 ;;
    esac
    [ $SECONDS -lt $deadline ] || { problem="did not end within $2 s"; return 1; }
    sleep 0.25
  done
}
# The one of before stays as it ended, until this one has ended well.
run_to_its_end() {
  local new
  export "$variable=$image"
  own_volumes '' "$image" "$user"
  create_another
  docker start "$new" >/dev/null || true
  wait_ended "$new" "$healthy" || {
    say "$service $problem; its last lines:" >&2
    last_lines "$new" "$service"
    docker rm -f "$new" >/dev/null || true
    exit 20
  }
  say "$(container_name "$new") ended well"
  container_ids "$service" | grep -vxF "$new" | xargs -r docker rm -f >/dev/null || true
  set_env "$variable" "$image"
}
