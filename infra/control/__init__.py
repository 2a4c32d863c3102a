"""The control plane: Prefect server, workers and gateway as one Compose project."""
