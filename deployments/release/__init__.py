"""A release: the manifest that names its images by digest.

Here belongs what identifies a release, published or taken over. What happened to it on a host
belongs in `history`.
"""
