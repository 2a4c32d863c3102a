"""The same with pyinfra, which has no operation of its own for a Compose project."""

import os

from pyinfra.operations import files, server

stack, folder = os.environ["STACK"], os.environ["FOLDER"]
for name in ("docker-compose.yml", ".env"):
    files.put(src=f"{stack}/{name}", dest=f"{folder}/{name}", mode="600")
server.shell(
    f"cd {folder} && docker compose pull --quiet && docker compose up --detach --wait --quiet-pull"
)
