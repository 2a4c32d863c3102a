"""An environment: where releases go, and what a person chose for that place.

Here belongs the form of `NAME.toml`, the policies that it sets and the sources that it allows.
What a Compose file says belongs in `compose`; reading files from disk in `infra/environment`.
"""
