"""A registry over HTTP: images' digests and tags, and release manifests.

Here belongs what a registry is asked and how it is logged in to. What is built for it belongs in `publish`.
"""
