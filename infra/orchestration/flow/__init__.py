"""What flows call: tasks, approval, artifacts, notifications and the process that runs a flow.

Prefect itself is imported here; what registers on a server belongs in `setup`, what speaks
with its REST API in `api`.
"""
