"""One SSH connection to a host: pinned keys, scripts, the session lock, tunnels, files.

Here belongs how text reaches a host and comes back. What is asked of a host belongs in `host`.
"""
