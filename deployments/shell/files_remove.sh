# shellcheck shell=bash
# Files of a run that are needed no more.
# Reads: project

remove_project() {
  docker ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r docker rm -f >/dev/null
  docker network ls -q --filter "label=com.docker.compose.project=$project" | xargs -r docker network rm >/dev/null
  rm -rf compose.yml .env secrets.env secrets.env.previous edge
  say "removed every container of $project; its volumes are kept"
}
