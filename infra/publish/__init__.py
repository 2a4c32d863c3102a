"""From a source to images in a registry and a release manifest.

Here belong Git, trees of files, `docker buildx bake`, signatures and finding a published release again.
"""
