"""A host as it was observed: containers, records, the edge, and whose they are.

Here belong the values of an observation and how a host's answers are read. The script that
observes belongs in `shell`; what follows from it in `planning`.
"""
