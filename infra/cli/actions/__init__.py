"""GitHub Actions: what the `run:` steps of the workflows call, one step one call.

Inputs are variables of the step; nothing clever lives in YAML.
"""
