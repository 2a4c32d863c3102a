"""A process worker whose runs begin at once: their process has imported Prefect and the flows already.

Here belongs what starts a run's process. What a run does belongs in `flow`.
"""
