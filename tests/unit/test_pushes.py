"""Which image is in the registry, by the lines of a build."""

from __future__ import annotations

from deployments.build.pushes import Pushes

DIGEST = "sha256:" + "a" * 64
OWN_BUILDER = f"""\
#9 [a 2/2] RUN make
#9 DONE 0.2s
#10 [a] exporting to image
#10 exporting layers done
#10 DONE 0.0s
#11 [a] pushing localhost:5000/t/a:in-1 with docker
#11 pushing layer 4e8589ea1d01 2.56kB / 6B 0.0s
#12 pushing localhost:5000/t/b:in-2 with docker
#12 DONE 0.1s
#11 ...
#11 [a] pushing localhost:5000/t/a:in-1 with docker
#11 DONE 0.2s
#13 [c] pushing localhost:5000/t/c:in-3 with docker
#13 ERROR: denied
#14 pushing manifest for ghcr.io/t/d:in-4@{DIGEST}
#14 pushing manifest for ghcr.io/t/d:in-4@{DIGEST} 0.4s
#14 pushing manifest for ghcr.io/t/d:in-4@{DIGEST} 1.1s done
#14 DONE 2.0s
"""


def test_an_image_is_there_when_its_push_ends() -> None:
    pushes = Pushes()
    ended = [pushes.ended(line) for line in OWN_BUILDER.splitlines()]
    assert [tag for tag in ended if tag] == [
        "localhost:5000/t/b:in-2", "localhost:5000/t/a:in-1", "ghcr.io/t/d:in-4",
    ]  # fmt: skip
