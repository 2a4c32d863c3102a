"""Counts its own turns, and shows that it is at work."""

import pathlib
import time

while True:
    pathlib.Path("/tmp/beat").touch()
    time.sleep(1)
