"""Credentials exchanged for new ones, so that at every moment one of them is valid.

Here belongs what writes a new value where it is kept, and takes it back where it did not come into
effect. What a new value means for containers is a plan's matter and belongs in `deployments`.
"""
