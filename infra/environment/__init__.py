"""An environment's files on this machine: found, read by Compose, joined with their secrets.

Here belongs reading. What the files mean is decided in `deployments/environment` and
`deployments/compose`.
"""
