"""Speaking with a Prefect server over its REST API, without importing Prefect."""
