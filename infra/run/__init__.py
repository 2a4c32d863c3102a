"""One verb on one environment: planned, carried out, recorded, recovered.

Here belongs what changes a host. It knows no Prefect: flows wrap it in `orchestration`.
"""
