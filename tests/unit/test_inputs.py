"""What a build reads, and the hash that decides whether it must be built again."""

from __future__ import annotations

import pytest

from deployments.build.inputs import cover, input_hash

FILES = {"a.py": ("11", False), "b.py": ("22", True)}


def test_an_input_hash_does_not_change_by_itself():
    """Images in the registry carry it: another value would build everything again."""
    assert input_hash(FILES, ["FROM x"], {"A": "1"}) == "f36353eca67665b3"


def test_the_order_in_which_inputs_are_given_does_not_count():
    backwards = dict(reversed(FILES.items()))
    assert input_hash(FILES, [], {"A": "1", "B": "2"}) == input_hash(
        backwards, [], {"B": "2", "A": "1"}
    )


@pytest.mark.parametrize(
    ("files", "dockerfiles", "settings"),
    [
        ({**FILES, "a.py": ("12", False)}, ["FROM x"], {"A": "1"}),
        ({**FILES, "a.py": ("11", True)}, ["FROM x"], {"A": "1"}),
        ({**FILES, "c.py": ("33", False)}, ["FROM x"], {"A": "1"}),
        ({"z.py": FILES["a.py"], "b.py": FILES["b.py"]}, ["FROM x"], {"A": "1"}),
        (FILES, ["FROM y"], {"A": "1"}),
        (FILES, ["FROM x", ""], {"A": "1"}),
        (FILES, ["FROM x"], {"A": "2"}),
        (FILES, ["FROM x"], {"B": "1"}),
        (FILES, ["FROM x"], {}),
    ],
)
def test_every_input_counts(files, dockerfiles, settings):
    assert input_hash(files, dockerfiles, settings) != input_hash(FILES, ["FROM x"], {"A": "1"})


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([], []),
        (["src/a.py"], ["src/a.py"]),
        (["src/a.py", "src/b/c.py", "src/b/d.py"], ["src"]),
        (["src/b/c.py", "src/b/d.py", "web/x"], ["src/b", "web"]),
        (["top.md", "src/a.py", "src/b/c.py"], ["src/a.py", "src/b/c.py", "top.md"]),
        (["gone"], ["gone"]),
    ],
)
def test_the_fewest_names_of_some_files(wanted, names):
    every = ["src/a.py", "src/b/c.py", "src/b/d.py", "web/x", "top.md"]
    assert cover(every, wanted) == names


def test_thousands_of_single_files_are_named_by_their_folder():
    """A command line has an end, and Git compares each file with each name."""
    every = [f"data/{n}.json" for n in range(5000)]
    assert cover(every, every[1:]) == ["data"]
    flat = [f"{n}.json" for n in range(5000)]
    assert cover(flat, flat[1:]) == ["."]
