"""Making a host of a fresh machine over SSH.

Here belongs what enters a machine that no deploy knows yet, shows its key to a person, carries
the steps out and proves that nobody is locked out. Which steps there are is decided in
`deployments/bootstrap/`.
"""
