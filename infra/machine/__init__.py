"""The machine that this process runs on: its folders, processes, signals and terminal output.

Here belongs what knows no host, no registry and no Prefect.
"""
