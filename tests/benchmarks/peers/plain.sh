#!/usr/bin/env bash
# What a workflow does that deploys by hand: copy two files, pull, up.
set -euo pipefail
scp -q -F "$CONFIG" "$STACK/docker-compose.yml" "$STACK/.env" "server:$FOLDER/"
ssh -F "$CONFIG" server "cd $FOLDER && docker compose pull --quiet && docker compose up --detach --wait --quiet-pull"
