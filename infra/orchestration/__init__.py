"""Prefect around the work. Nothing else in `infra` knows Prefect."""
