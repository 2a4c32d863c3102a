"""A Compose file as a deploy understands it: its stack, its variables, what it may not contain.

Here belongs everything that is read from a Compose file or its `x-deploy` extension, and the
env files that fill it. Compose itself is queried in `infra/environment`; how images are built
belongs in `build`.
"""
