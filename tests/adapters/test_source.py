"""Staging a source: a real Git repository, its uncommitted changes, a plain folder."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from deployments.build.dockerignore import Dockerignore
from deployments.errors import Refused, WrongUse
from infra.machine.processes import Ended, run
from infra.publish import archive
from infra.publish import source as publish_source
from infra.publish.source import opened, staged
from infra.publish.trees import Commit

IGNORES = [
    Dockerignore("*\n!src\n!pyproject.toml\n**/.env*\n"), Dockerignore("*\n!web\n**/.env*\n"),
]  # fmt: skip


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A function that runs git in the repository, whose path is `git.folder`."""
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Author")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "author@example.org")
        monkeypatch.setenv(f"GIT_{who}_DATE", "2030-01-02T03:04:05+03:00")

    def run(*words):
        return subprocess.run(
            ["git", "-C", folder, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    run.folder = folder
    run("init", "-q", "-b", "main")
    return run


def _write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(git):
    """Two commits; the second touches only `web/`."""
    _write(git.folder, src__main_DOT_py="1", pyproject_DOT_toml="2", README="3", web__a="4")
    git("add", ".")
    git("commit", "-qm", "first")
    _write(git.folder, web__a="5")
    git("commit", "-qam", "second")
    return git


@contextmanager
def _stage(folder, ref="HEAD", *, allow_dirty=False, say=lambda _: None):
    tree = opened(folder, ref, allow_dirty=allow_dirty, say=say)
    paths = tree.paths(lambda folder: any(i.may_hold(folder) for i in IGNORES))
    found = tree.look([p for p in paths if any(i.lets_in(p) for i in IGNORES)])
    with staged(tree, found) as root:
        yield SimpleNamespace(root=root, **vars(found))


def _paths(source):
    on_disk = {str(p.relative_to(source.root)) for p in source.root.rglob("*") if p.is_file()}
    assert on_disk == set(source.files)
    return sorted(on_disk)


def test_a_clean_work_tree_is_named_by_its_commit(repository):
    commit = repository("rev-parse", "HEAD")
    with _stage(repository.folder) as source:
        assert (source.label, source.commit, source.ref) == (f"sha-{commit[:12]}", commit, "HEAD")
        assert source.author == "Author <author@example.org>"
        assert source.created == "2030-01-02T00:04:05Z"
        assert _paths(source) == ["pyproject.toml", "src/main.py", "web/a"]
        root = source.root
    assert not root.exists()


def test_a_submodule_whose_files_no_image_has_is_named(repository):
    """`docker build .` beside it would have them: an image without them was published, and nothing said."""
    sha = repository("rev-parse", "HEAD")
    repository("update-index", "--add", "--cacheinfo", f"160000,{sha},vendor/lib")
    repository("commit", "-qm", "with a submodule")
    (repository.folder / "vendor" / "lib").mkdir(parents=True)
    said: list[str] = []
    tree = opened(repository.folder, "HEAD", allow_dirty=False, say=said.append)
    assert said == ["left out, as submodules of the source: vendor/lib; no image has their files"]
    assert "vendor/lib" not in tree.paths(lambda _: True)


def test_a_repository_that_git_does_not_read_is_no_plain_folder(repository, monkeypatch):
    """Of another user's, as in a worker's container: what Git leaves out would be published with it."""
    said = "fatal: detected dubious ownership in repository at '/x'\nmore"
    monkeypatch.setattr(publish_source, "git", lambda *_: Ended(128, "", said))
    with pytest.raises(WrongUse) as refused:
        opened(repository.folder, "", allow_dirty=False, say=print)
    assert refused.value.what == f"Git does not read this repository: {said.splitlines()[0]}"
    assert f"safe.directory {repository.folder}; " in refused.value.todo


def test_the_subject_of_the_commit_and_none_of_what_is_in_no_commit(repository):
    with _stage(repository.folder) as source:
        assert source.subject == "second"
    (repository.folder / "src" / "main.py").write_text("changed")
    with _stage(repository.folder, allow_dirty=True) as source:
        assert source.subject == ""


def test_the_last_commit_that_touched_some_paths(repository):
    first, second = repository("rev-parse", "HEAD~1"), repository("rev-parse", "HEAD")
    with _stage(repository.folder) as source:
        assert source.last_commit(["src/main.py"]) == first
        assert source.last_commit(["src/main.py", "web/a"]) == second
        assert source.last_commit(["none"]) == second


def test_an_executable_file_is_known_as_one(repository):
    (repository.folder / "src/main.py").chmod(0o755)
    repository("commit", "-qam", "mode")
    with _stage(repository.folder) as source:
        assert source.files["src/main.py"][1] is True
        assert source.files["web/a"][1] is False


def test_what_a_project_leaves_out_of_its_archives_is_built_all_the_same(repository):
    """As `docker build` has it: Laravel's template names tests and Dockerfiles so."""
    attributes = "src export-ignore\nweb/a export-subst\n"
    _write(repository.folder, _DOT_gitattributes=attributes, web__a="$Format:%H$")
    repository("add", ".")
    repository("commit", "-qm", "attributes")
    with _stage(repository.folder) as source:
        assert _paths(source) == ["pyproject.toml", "src/main.py", "web/a"]
        assert (source.root / "src" / "main.py").read_text() == "1"
        assert (source.root / "web" / "a").read_text() == "$Format:%H$"
    assert repository("status", "--porcelain") == ""


@pytest.mark.parametrize("change", ["changed", "untracked", "staged", "deleted"])
def test_a_dirty_work_tree_is_refused(repository, change):
    if change == "deleted":
        (repository.folder / "web/a").unlink()
    elif change == "untracked":
        _write(repository.folder, src__new="x")
    else:
        _write(repository.folder, web__a="x")
    if change == "staged":
        repository("add", ".")
    with pytest.raises(Refused) as caught, _stage(repository.folder):
        pass
    assert caught.value.what.startswith("the work tree has uncommitted changes in 1 file, first: ")
    assert "--allow-dirty" in caught.value.todo


def test_what_init_and_bootstrap_have_just_written_is_no_change_of_the_source(repository):
    """A deploy reads it where it lies: three commands lead from a repository to production."""
    folder = repository.folder
    _write(folder, _DOT_homeguru__production_DOT_toml="x", _DOT_github__workflows__x="x",
           _DOT_gitignore="x", compose_DOT_homeguru_DOT_yml="x")  # fmt: skip
    compose = folder / "compose.homeguru.yml"
    assert isinstance(
        opened(folder, "HEAD", allow_dirty=False, say=print, compose_file=compose), Commit
    )
    with pytest.raises(Refused, match=r"in 1 file, first: \?\? compose\.homeguru\.yml"):
        opened(folder, "HEAD", allow_dirty=False, say=print)
    _write(folder, src__main_DOT_py="x")
    with pytest.raises(Refused, match=r"first: M src/main\.py"):
        opened(folder, "HEAD", allow_dirty=False, say=print, compose_file=compose)


def test_a_repository_without_a_commit_is_told_to_make_one(git):
    with pytest.raises(WrongUse) as caught:
        opened(git.folder, "HEAD", allow_dirty=False, say=print)
    assert caught.value.todo == "the repository has no commit yet: git add -A && git commit"


def test_uncommitted_changes_are_published_when_asked_and_named_by_content(repository):
    _write(repository.folder, web__a="dirty", src__new="x")
    said = []
    with _stage(repository.folder, allow_dirty=True, say=said.append) as source:
        assert source.label.startswith("src-")
        assert source.ref == "HEAD, with uncommitted changes"
        assert source.commit == repository("rev-parse", "HEAD")
        assert (source.root / "web/a").read_text() == "dirty"
        assert _paths(source) == ["pyproject.toml", "src/main.py", "src/new", "web/a"]
        label = source.label
    assert said == [
        "publishing the work tree with uncommitted changes in 2 files: named by content"
    ]
    with _stage(repository.folder, allow_dirty=True) as again:
        assert again.label == label
    _write(repository.folder, web__a="dirtier")
    with _stage(repository.folder, allow_dirty=True) as other:
        assert other.label != label


def test_a_ref_is_published_from_its_commit_whatever_lies_in_the_tree(repository):
    _write(repository.folder, web__a="dirty")
    repository("tag", "v1", "HEAD~1")
    with _stage(repository.folder, "v1") as source:
        assert source.commit == repository("rev-parse", "HEAD~1")
        assert (source.root / "web/a").read_text() == "4"


@pytest.mark.parametrize("ref", ["none", "", "--all", "HEAD:src"])
def test_an_unknown_ref(repository, ref):
    with pytest.raises(WrongUse) as caught, _stage(repository.folder, ref):
        pass
    assert caught.value.what == f"no commit {ref!r}"
    assert caught.value.where == str(repository.folder)


@pytest.mark.parametrize("how", ["committed", "dirty", "plain"])
def test_env_files_are_never_staged(repository, tmp_path, how):
    names = {"_DOT_env": "S=1", "src___DOT_env": "S=1", "web___DOT_env_DOT_local": "S=1"}
    folder = repository.folder
    if how == "plain":
        folder = tmp_path / "plain"
        _write(folder, src__main_DOT_py="1")
    _write(folder, **names)
    assert (folder / "src/.env").exists()
    if how == "committed":
        repository("add", "-f", ".")
        repository("commit", "-qm", "careless")
    with _stage(folder, allow_dirty=True) as source:
        assert "src/main.py" in source.files
        assert not [path for path in _paths(source) if ".env" in path]


def test_ignored_files_are_not_staged(repository):
    _write(repository.folder, _DOT_gitignore="src/cache\n", src__cache="x")
    with _stage(repository.folder, allow_dirty=True) as source:
        assert "src/cache" not in source.files


def test_a_plain_folder_is_named_by_content(tmp_path):
    folder = tmp_path / "plain"
    _write(folder, src__main_DOT_py="1", README="x", src__node_modules__big="x")
    os.utime(folder / "src/main.py", (1893553445, 1893553445))
    with _stage(folder) as source:
        assert _paths(source) == ["src/main.py"]
        assert source.label == f"src-{source.commit[:12]}"
        assert (source.ref, source.created) == ("directory", "2030-01-02T03:04:05Z")
        label = source.label
    _write(folder, README="y")
    with _stage(folder) as same:
        assert same.label == label
    _write(folder, src__main_DOT_py="2")
    with _stage(folder) as other:
        assert other.label != label


def test_a_folder_inside_a_repository_is_plain(repository):
    with _stage(repository.folder / "src") as source:
        assert source.ref == "directory"


def test_a_plain_folder_has_no_refs(tmp_path):
    with (
        pytest.raises(WrongUse, match="is no Git work tree, so there is no ref 'main'"),
        _stage(tmp_path, "main"),
    ):
        pass


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(WrongUse) as caught, _stage(tmp_path / "none"):
        pass
    assert caught.value.what == f"source {tmp_path / 'none'} is not a directory"


def test_a_link_to_what_the_images_leave_out_is_refused_by_its_name(repository):
    (repository.folder / "left-out.md").write_text("x")
    (repository.folder / "src" / "README.md").symlink_to("../left-out.md")
    repository("add", ".")
    repository("commit", "-qm", "link")
    said = r"src/README\.md links to a file that the images leave out"
    with pytest.raises(WrongUse, match=said), _stage(repository.folder):
        pass


def test_a_link_to_nothing_in_a_plain_folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "gone").symlink_to("nowhere")
    with pytest.raises(WrongUse, match="src/gone links to a file"), _stage(tmp_path):
        pass


def test_a_link_that_leaves_the_tree_is_refused(repository):
    (repository.folder / "src" / "passwd").symlink_to("/etc/passwd")
    repository("add", ".")
    repository("commit", "-qm", "link")
    with pytest.raises(WrongUse) as caught, _stage(repository.folder):
        pass
    assert "holds a file that leaves the tree" in caught.value.what
    assert "passwd" in caught.value.what


def _everything(_folder):
    return True


def test_git_is_asked_for_the_files_that_are_needed_and_no_others(repository, monkeypatch):
    """What the builds do not read may be most of a repository."""
    _write(repository.folder, **{f"data__d{n % 9}__f{n}": "x" for n in range(300)})
    repository("add", ".")
    repository("commit", "-qm", "data")
    called = []
    monkeypatch.setattr(archive, "run", lambda *argv: called.append(argv) or run(*argv))
    with _stage(repository.folder) as found:
        assert found.last_commit(["src/main.py"]) == repository("rev-parse", "HEAD~2")
    archives = [argv[argv.index("--") + 1 :] for argv in called if "archive" in argv]
    assert set(archives) == {("pyproject.toml", "src", "web")}
    assert not [word for argv in called for word in argv if "data" in word]


def test_a_folder_that_no_image_reads_is_not_walked(tmp_path, monkeypatch):
    _write(tmp_path, src__main_DOT_py="1", data__deep__x="2", node_modules__y="3")
    walked = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top: (walked.append(f[0]) or f for f in walk(top)))
    with _stage(tmp_path) as found:
        assert list(found.files) == ["src/main.py"]
    assert [place for place in walked if "data" in place or "node_modules" in place] == []


def test_a_name_with_brackets_is_no_pattern(repository):
    """Next.js has folders of this form."""
    _write(repository.folder, **{"web__[id]__page": "1"})
    repository("add", ".")
    repository("commit", "-qm", "page")
    page = repository("rev-parse", "HEAD")
    _write(repository.folder, web__i__page="2")
    repository("add", ".")
    repository("commit", "-qm", "other")
    with _stage(repository.folder) as found:
        assert "web/[id]/page" in found.files
        assert found.last_commit(["web/[id]/page"]) == page


def test_a_file_that_is_gone_is_a_change_of_its_folder(repository):
    _write(repository.folder, web__b="1")
    repository("add", ".")
    repository("commit", "-qm", "more")
    repository("rm", "-q", "web/b")
    repository("commit", "-qm", "less")
    with _stage(repository.folder) as found:
        assert found.last_commit(["web/a"]) == repository("rev-parse", "HEAD")


@pytest.mark.parametrize("how", ["committed", "dirty", "plain"])
def test_a_file_is_read_where_it_lies(repository, tmp_path, how):
    folder = repository.folder
    if how == "plain":
        folder = tmp_path / "plain"
    _write(folder, web__a="5", pyproject_DOT_toml="2")
    if how == "dirty":
        _write(folder, web__a="6")
    tree = opened(folder, "HEAD", allow_dirty=True, say=print)
    assert tree.read("web/a") == ("6" if how == "dirty" else "5")
    assert tree.read("web/none") is None
    assert tree.read("web") is None
    assert {"pyproject.toml", "web/a"} <= set(tree.paths(_everything))


@pytest.mark.parametrize("how", ["committed", "dirty", "plain"])
def test_a_name_that_is_not_utf_8_is_refused(repository, tmp_path, how):
    folder = repository.folder if how != "plain" else tmp_path / "plain"
    (folder / "src").mkdir(parents=True, exist_ok=True)
    with open(os.fsencode(folder) + b"/src/caf\xe9.py", "w"):  # noqa: PTH123
        pass
    if how == "committed":
        repository("add", ".")
        repository("commit", "-qm", "name")
    with (
        pytest.raises(WrongUse, match="the name of a file is not UTF-8"),
        _stage(folder, allow_dirty=True),
    ):
        pass


def test_links_and_pipes_in_an_uncommitted_tree(repository):
    (repository.folder / "src/to").symlink_to("main.py")
    (repository.folder / "src/folder").symlink_to("../web")
    os.mkfifo(repository.folder / "src/pipe")
    (repository.folder / "web/a").unlink()
    with _stage(repository.folder, allow_dirty=True) as found:
        assert _paths(found) == ["pyproject.toml", "src/main.py", "src/to"]
        assert (found.root / "src/to").read_text() == "1"


@pytest.mark.parametrize("how", ["committed", "dirty", "plain"])
def test_links_are_followed_as_the_system_does(repository, tmp_path, how):
    folder = repository.folder if how != "plain" else tmp_path / "plain"
    _write(folder, src__main_DOT_py="1", src__deep__x="2", web__a="5", pyproject_DOT_toml="2")
    (folder / "src/deep").chmod(0o755)
    (folder / "src/deep/x").chmod(0o755)
    for path, target in {
        "src/one": "main.py", "src/two": "./one", "src/up": "../web/a", "src/folder": "deep/",
        "src/through": "folder/x", "src/deep/back": "../folder/../main.py",
    }.items():  # fmt: skip
        (folder / path).symlink_to(target)
    if how == "committed":
        repository("add", ".")
        repository("commit", "-qm", "links")
    with _stage(folder, allow_dirty=True) as found:
        files = found.files
        assert files["src/one"] == files["src/two"] == files["src/main.py"]
        assert files["src/up"] == files["web/a"]
        assert files["src/through"] == files["src/deep/x"] and files["src/deep/x"][1]
        assert files["src/deep/back"] == files["src/main.py"]
        assert "src/folder" not in files
        assert (found.root / "src/through").read_text() == "2"


def test_links_in_a_circle(repository):
    (repository.folder / "src/a").symlink_to("b")
    (repository.folder / "src/b").symlink_to("a")
    said = r"src/[ab] links to a file that"
    with pytest.raises(WrongUse, match=said), _stage(repository.folder, allow_dirty=True):
        pass
    repository("add", ".")
    repository("commit", "-qm", "circle")
    with pytest.raises(WrongUse, match=said), _stage(repository.folder):
        pass


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../web/../../x"])
def test_links_that_leave_the_tree(repository, target):
    (repository.folder / "src/out").symlink_to(target)
    repository("add", ".")
    repository("commit", "-qm", "out")
    with pytest.raises(WrongUse) as caught, _stage(repository.folder):
        pass
    assert caught.value.what.endswith(f"leaves the tree: src/out links to {target}")


def test_a_file_that_changes_while_it_is_published(tmp_path):
    _write(tmp_path, src__main_DOT_py="1")
    tree = opened(tmp_path, "HEAD", allow_dirty=False, say=print)
    found = tree.look(["src/main.py"])
    _write(tmp_path, src__main_DOT_py="2")
    with pytest.raises(Refused, match="was changed while it was published"), staged(tree, found):
        pass


def test_every_user_of_an_image_can_read_what_is_copied(tmp_path):
    _write(tmp_path, src__main_DOT_py="1", src__run="2")
    (tmp_path / "src/main.py").chmod(0o600)
    (tmp_path / "src/run").chmod(0o700)
    (tmp_path / "src").chmod(0o700)
    with _stage(tmp_path) as found:
        modes = {p: (found.root / p).stat().st_mode & 0o777 for p in ("src", *found.files)}
        assert modes == {"src": 0o755, "src/main.py": 0o644, "src/run": 0o755}
