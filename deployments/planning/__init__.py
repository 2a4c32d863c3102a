"""From an observation and a target to a plan: the steps, their order and their reasons.

Here belongs every decision about what a run does, undoes or refuses. Carrying a plan out belongs
in `infra/run`; whether what runs is well belongs in `health`.
"""
