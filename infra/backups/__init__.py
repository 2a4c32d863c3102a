"""Backups off the host: where they are kept, and for whom they are encrypted.

Here belongs copying and fetching. Making a backup is a step of a plan, in `deployments/planning`.
"""
