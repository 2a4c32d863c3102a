"""A registry and a build that the tests of publishing pretend to have."""

from __future__ import annotations


class Store:
    """A registry that knows some digests and remembers tags and releases."""

    host = "localhost:5000"

    def __init__(self):
        self.known = {}
        self.tagged = []
        self.releases = {}

    def ping(self):
        return None

    def digest(self, repository, reference):
        return self.known.get((repository, reference))

    def tag(self, repository, digest, tags):
        self.tagged.append((repository, tuple(tags)))

    def push_release(self, repository, release, tags, sign=None):
        if sign:
            sign(self.signed_as)
        self.releases.update(dict.fromkeys(tags, release))

    def pull_release(self, repository, reference):
        return self.releases.get(reference)

    def tags(self, repository):
        return list(self.releases)
