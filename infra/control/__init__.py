"""The control plane: Prefect server, workers and gateway as one Compose project.

Here belongs what runs in its containers and what brings them up. What is registered on any
Prefect server belongs in `orchestration/setup`.
"""
