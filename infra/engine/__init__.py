"""The local Docker engine, and the base images that builds start from.

Here belongs starting an engine and having images. Building an application belongs in `publish`.
"""
