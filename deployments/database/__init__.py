"""The database: its backups, and what a migration may do to it.

Here belong policies and verdicts about data. The steps that carry them out belong in `planning`,
the commands in `shell`.
"""
