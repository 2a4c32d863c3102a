"""Prefect around the work. Nothing else in `infra` knows Prefect.

Here belong tasks, approval, artifacts, and what registers deployments on a server. What a run
does to a host belongs in `run`.
"""
