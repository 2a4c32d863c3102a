"""Which Prefect is in an image: the database follows it, and does not come back."""

from __future__ import annotations

from deployments.errors import Refused, WrongUse
from infra.control.docker import Docker, DockerRefused

_ASK = (
    "from importlib.metadata import version; print(version('homeguru-deploy'), version('prefect'))"
)


def version(docker: Docker, image: str) -> str:
    """Prefect's version in an image of ours; raises WrongUse for another image."""
    words = ("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", _ASK)
    try:
        return docker.text(*words, timeout=600).split()[-1]
    except DockerRefused as error:
        raise WrongUse(
            f"{image} is not an image of homeguru-flows: {str(error).splitlines()[-1]}",
            state="unchanged", todo="leave --image out to build one of this checkout",
        ) from None  # fmt: skip


def numbers(text: str) -> tuple[int, ...]:
    """Of `3.8.8`, for comparison."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def refuse_another(docker: Docker, before: str, after: str) -> None:
    """Refuse an image that is not ours, and one with another Prefect: `upgrade` makes a backup first."""
    if before == after:
        return
    new = version(docker, after)
    if not before or not docker.exists("image", before):
        return
    old = version(docker, before)
    if old != new:
        raise Refused(
            f"Prefect {old} runs, and the image has {new}", state="unchanged",
            todo="homeguru control-plane upgrade makes a backup first; "
            f"to stay: homeguru control-plane up --image {before}",
        )  # fmt: skip
