"""The reference of `doc/reference`, written from the code: `python -m infra.reference`.

Here belongs what turns the command line, the files' schemas, flows, errors and variables into
pages. What they say is said where they are defined.
"""
