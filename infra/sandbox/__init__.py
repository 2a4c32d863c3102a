"""A production server, a registry and a Telegram stand-in on your own machine."""
