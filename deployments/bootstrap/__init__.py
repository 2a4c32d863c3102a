"""Making a host of a fresh machine: what it has, what it lacks, and the files that it gets.

Here belongs what decides which steps a bootstrap takes. What runs them is `infra/bootstrap/`, and
their shell is `shell/machine.py`.
"""
