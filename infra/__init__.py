"""What does: SSH, Docker, HTTP, files. Decisions are asked of `deployments`."""
