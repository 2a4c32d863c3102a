# shellcheck shell=bash
# Ending the command that is at work, and what it left in the daemon.
# Reads: project

# `timeout` leads a process group and hands the signal on to all of it.
stop_work() {
  [ ! -s lock/pid ] || kill -TERM "$(cat lock/pid)" 2>/dev/null || true
}
# A migration whose `docker compose run` was ended goes on where its program does not heed the signal.
stop_one_offs() {
  timeout 20 docker ps -q --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=True |
    xargs -r timeout 40 docker stop -t 10 >/dev/null || true
}
