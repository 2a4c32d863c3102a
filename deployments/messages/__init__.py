"""What people read of a run: reports and notifications.

Here belong the texts. Sending them belongs in `infra/notices`, Prefect's artifacts in
`infra/orchestration`.
"""
