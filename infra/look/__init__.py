"""Looking at a host without a lock and without Prefect: plan, status, history, logs, metrics.

Here belongs what only reads, and what a look remembers for the next one.
"""
