"""A production server, a registry and a Telegram stand-in on your own machine.

Here belongs what imitates the world outside. What is shown on it belongs in `demo`.
"""
