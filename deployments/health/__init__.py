"""Whether what runs is what should run, and answers: checks, drift, and what is worth an alert.

Here belongs how an answer is understood. Queries belong in `infra/host`; the text of an alert
in `messages`.
"""
