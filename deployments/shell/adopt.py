"""Taking over what was deployed by hand: looking at it, keeping it, bringing it back.

Release 0 is started by Compose from its own files, with its own directory as the project's.
Its images are known by id: each name is put back on its image before anything starts.
"""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.release.adopted_record import RELEASE, Adoption
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join


def survey(environment: Environment, database: str) -> Script:
    """Read what runs under the environment's project. database: its service, or empty."""
    return Script(
        join(prelude(environment), functions("adopt_survey"), call("survey_by_hand", database))
    )


def compare(environment: Environment, adoption: Adoption) -> Script:
    """Ask Compose which containers it would make anew from the files as they are; changes nothing."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    return Script(
        join(
            prelude(environment),
            functions("adopt_survey", "adopt_compare"),
            call("compare_by_hand", *where),
        )
    )


def keep_by_hand(incoming: str, adoption: Adoption) -> Script:
    """Keep the files and the images of what runs, as release 0; no container is touched."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    held = [call("hold_image", name, s.image) for name, s in adoption.services.items()]
    return Script(
        join(functions("adopt_keep"), call("keep_by_hand", incoming, RELEASE, *where), *held),
        timeout=120,
    )


def put_files_back() -> Script:
    """Release 0's own files, where they lay."""
    return Script(join(functions("adopt_back"), call("put_files_back", RELEASE)))


def start_by_hand(adoption: Adoption, healthy: int) -> Script:
    """Release 0's containers, by Compose; whatever else the project has is removed."""
    where = (adoption.directory, ",".join(adoption.files), ",".join(adoption.env_files))
    named = [call("tag_image_again", n, s.image, s.reference) for n, s in adoption.services.items()]
    settings = [call("declare", f"healthy={healthy}"), call("declare", "problem=")]
    return Script(
        join(
            functions("container", "adopt_survey", "adopt_back"), *settings, call("set_by_hand_compose", *where), *named,
            call("start_by_hand", *adoption.services),
        ),
        timeout=healthy + 5 * len(adoption.services) + 180,
    )  # fmt: skip
