"""The demos: a production server, and a control plane, on this machine.

Here belongs what only `homeguru demo` shows: no production code imports this, but the command line.
"""
