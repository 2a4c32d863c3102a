"""One host during one run: connected, locked, observed, asked.

Here belongs what speaks with a host and changes nothing by itself. Carrying out a plan belongs
in `run`.
"""
