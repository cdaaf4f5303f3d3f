from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.sources.copying import check_name, copy_all
from tasks.common.sources.folder import folder_digest
from tasks.common.sources.source import DvcSource, FolderSource, Source, fetch_source
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import StageParams, read_params
from tasks.common.stage.paths import TaskPaths
from tests.support.repositories import commit, dvc, git, write

FILES = {"train.csv": "id_code,diagnosis\na,0\n", "train_images/a.png": "first", "train_images/deep/b.png": "second"}


class Params(StageParams):
    source: Source


@pytest.fixture
def paths(tmp_path: Path) -> TaskPaths:
    root = tmp_path / "root"
    write(root / "own", FILES)
    return TaskPaths(root, "eyes")


@pytest.fixture
def target(paths: TaskPaths) -> Path:
    """The empty folder that fetch fills."""
    folder = paths.root / "data" / "eyes" / ".raw-partial"
    folder.mkdir(parents=True)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def pin(paths: TaskPaths, target: Path) -> FolderSource:
    """The folder `own`, with the digest that the error for a missing one names."""
    with pytest.raises(TaskError) as caught:
        fetch_source(paths, FolderSource(path="own"), target)
    shutil.rmtree(target)
    target.mkdir()
    return FolderSource(path="own", sha256=str(caught.value).rsplit("sha256: ", 1)[1])


@pytest.mark.parametrize(
    ("text", "kind"),
    [("builtin", str), ("{path: a, sha256: b}", FolderSource), ("{repo: ., path: a, rev: dv1}", DvcSource)],
)
def test_params_yaml_can_name_each_kind_of_source(tmp_path, text, kind):
    (tmp_path / "params.yaml").write_text(f"tasks: [eyes]\neyes: {{fetch: {{source: {text}}}}}\n")
    assert isinstance(read_params(tmp_path, "eyes", "fetch", Params).source, kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{repo: ., path: a}", 'the key "eyes.fetch.source.rev" is missing'),
        ("{path: ''}", "eyes.fetch.source.path"),
        ("{path: a, sha: b}", 'unknown key "eyes.fetch.source.sha"; did you mean "sha256"?'),
        ("nothing", "eyes.fetch.source"),
        ("[a]", "eyes.fetch.source"),
    ],
)
def test_a_wrong_source_is_one_sentence(tmp_path, text, words):
    (tmp_path / "params.yaml").write_text(f"tasks: [eyes]\neyes: {{fetch: {{source: {text}}}}}\n")
    with pytest.raises(TaskError) as caught:
        read_params(tmp_path, "eyes", "fetch", Params)
    assert words in str(caught.value)


def test_a_pinned_folder_is_copied_as_it_is(paths, target):
    said = fetch_source(paths, pin(paths, target), target)
    assert content(target) == FILES
    assert (said["path"], said["files"], said["synthetic"]) == ("own", 3, False)
    for name in FILES:
        assert (target / name).stat().st_nlink == 1, "DVC makes its files read-only: a shared one would be the user's"


def test_the_digest_is_that_of_the_shell(paths, target):
    shell = "find . -type f -printf '%P\\0' | xargs -0 sha256sum | LC_ALL=C sort -k2 | sha256sum"
    done = subprocess.run(shell, shell=True, cwd=paths.root / "own", capture_output=True, text=True, check=True)
    assert pin(paths, target).sha256 == done.stdout[:64]


@pytest.mark.parametrize("name", ["train.csv", "train_images/a.png", "train_images/new.png"])
def test_changed_content_is_an_error_with_the_line_to_paste(paths, target, name):
    source = pin(paths, target)
    (paths.root / "own" / name).write_text("other")
    with pytest.raises(TaskError, match=f"'{source.sha256}', which is not the digest of the folder 'own'"):
        fetch_source(paths, source, target)


def test_a_moved_file_is_another_folder(paths, target):
    source = pin(paths, target)
    (paths.root / "own/train_images/a.png").rename(paths.root / "own/train_images/c.png")
    with pytest.raises(TaskError, match="not the digest"):
        fetch_source(paths, source, target)


@given(st.dictionaries(st.text("ab/. ", min_size=1), st.text("01", min_size=1), min_size=1), st.randoms())
def test_the_digest_has_no_order(digests, random):
    shuffled = random.sample(sorted(digests.items()), len(digests))
    assert folder_digest(dict(shuffled)) == folder_digest(digests)
    first, value = next(iter(digests.items()))
    assert folder_digest(digests | {first: value + "2"}) != folder_digest(digests)
    assert folder_digest(digests | {first + "c": value}) != folder_digest(digests)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("absent", "no folder in the repository"),
        ("own/train.csv", "no folder in the repository"),
        ("../elsewhere", "outside of the repository"),
        ("/etc", "outside of the repository"),
        ("way-out", "outside of the repository"),
        (".", "where fetch itself writes"),
        ("data", "where fetch itself writes"),
        ("empty", "no files in it"),
    ],
)
def test_a_path_that_leads_nowhere_or_outside_is_one_sentence(paths, target, path, words):
    (paths.root / "way-out").symlink_to("/etc")
    (paths.root / "empty" / "still").mkdir(parents=True)
    with pytest.raises(TaskError, match=words):
        fetch_source(paths, FolderSource(path=path, sha256="0" * 64), target)


@pytest.mark.parametrize("to", ["/etc/passwd", "train.csv", "/etc", "nowhere"])
def test_links_are_not_followed(paths, target, to):
    (paths.root / "own" / "train_images" / "link").symlink_to(to)
    with pytest.raises(TaskError, match="'train_images/link' is a link"):
        fetch_source(paths, FolderSource(path="own", sha256="0" * 64), target)
    assert content(target) == {}


def test_a_pipe_is_no_file(paths, target):
    os.mkfifo(paths.root / "own" / "pipe")
    with pytest.raises(TaskError, match="'pipe' is no ordinary file"):
        fetch_source(paths, FolderSource(path="own"), target)


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a//b", "./a", "a\\b", "a\nb", "a\0", "", "a/", "x" * 256])
def test_hostile_names_are_refused_before_anything_is_written(tmp_path, name):
    called = []
    with pytest.raises(TaskError, match="rename"):
        copy_all({"fine": lambda: called.append(1), name: lambda: called.append(2)}, tmp_path, "eyes", ["sha256"])
    assert not called
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=20))
def test_a_name_that_passes_stays_in_its_folder(name):
    try:
        check_name(name, "eyes")
    except TaskError:
        return
    folder = Path("/folder")
    assert Path(os.path.normpath(folder / name)) == folder / name
    assert folder in (folder / name).parents


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A repository with a DVC remote, the data at tag dv1 and other data at dv2, in the remote and not in the cache."""
    folder = tmp_path_factory.mktemp("versions")
    root = folder / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    dvc(root, "init", "--quiet")
    dvc(root, "remote", "add", "--default", "store", str(folder / "remote"))
    commits = {}
    for tag, files in (("dv1", FILES), ("dv2", {"annotations.csv": "split\n", "validation/a.png": "first"})):
        shutil.rmtree(root / "dataset", ignore_errors=True)
        write(root / "dataset", files)
        dvc(root, "add", "--quiet", "dataset")
        commits[tag] = commit(root, tag, {"notes/plain.txt": f"git has {tag}\n"})
        git(root, "tag", "--annotate", tag, "--message", tag)
        dvc(root, "push", "--quiet")
    shutil.rmtree(root / "dataset")
    shutil.rmtree(root / ".dvc" / "cache")
    return SimpleNamespace(root=root, remote=folder / "remote", commits=commits)


@pytest.fixture
def version(versions: SimpleNamespace, target: Path) -> Callable[..., dict]:
    """A function that fetches into `target`, as a task of the repository itself unless told otherwise."""

    def fetch(path: str = "dataset", rev: str = "dv1", repo: str = ".", root: Path = versions.root) -> dict:
        return fetch_source(TaskPaths(root, "eyes"), DvcSource(repo=repo, path=path, rev=rev), target)

    return fetch


def test_each_tag_gives_its_data_version(version, versions, target):
    said = version(rev="dv1")
    assert content(target) == FILES
    assert (said["commit"], said["rev"], said["repo"]) == (versions.commits["dv1"], "dv1", ".")
    shutil.rmtree(target)
    target.mkdir()
    assert version(rev="dv2")["commit"] == versions.commits["dv2"]
    assert content(target) == {"annotations.csv": "split\n", "validation/a.png": "first"}
    assert not (versions.root / "dataset").exists(), "the workspace is left alone"


def test_one_file_of_dvc_or_git_can_be_the_source(version, target):
    version(path="dataset/train_images/a.png")
    version(path="notes/plain.txt", rev="dv2")
    assert content(target) == {"a.png": "first", "plain.txt": "git has dv2\n"}


@pytest.mark.parametrize("how", ["commit", "file address", "relative path"])
def test_a_repository_and_revision_can_be_named_in_each_way(version, versions, target, how, tmp_path):
    if how == "commit":
        version(rev=versions.commits["dv1"])
    elif how == "file address":
        version(repo=f"file://{versions.root}", root=tmp_path)
    else:
        root = versions.root.parent / "elsewhere"
        root.mkdir()
        version(repo="../repository", root=root)
    assert content(target) == FILES


def test_a_worktree_finds_data_in_the_cache_that_it_shares(versions, target, tmp_path):
    """As the checkout of the base commit, beside the one that has the cache and the remote."""
    shutil.copytree(versions.root, tmp_path / "first")
    dvc(tmp_path / "first", "fetch", "--all-tags", "--quiet")
    git(tmp_path / "first", "worktree", "add", "--quiet", "--detach", str(tmp_path / "base"), "dv2")
    cache = tmp_path / "first" / ".dvc" / "cache"
    dvc(tmp_path / "base", "config", "--local", "cache.dir", str(cache))
    dvc(tmp_path / "base", "remote", "modify", "--local", "store", "url", str(tmp_path / "nowhere"))
    source = DvcSource(repo=".", path="dataset", rev="dv1")
    fetch_source(TaskPaths(tmp_path / "base", "eyes"), source, target)
    assert content(target) == FILES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rev": "dv3"}, "eyes.fetch.source.rev is 'dv3', which '.' does not know"),
        ({"path": "datset"}, "'datset' at 'dv1' in '.' is not there"),
        ({"path": "../outside"}, "is no name for a file in a folder"),
        ({"repo": "file:///nowhere/at/all"}, "which git cannot clone"),
        ({"repo": "own", "root": "here"}, "own"),
    ],
)
def test_a_version_that_cannot_be_had_is_one_sentence(version, target, paths, changes, words):
    if changes.get("root"):
        changes = changes | {"root": paths.root}
    with pytest.raises(TaskError) as caught:
        version(**changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert content(target) == {}


@pytest.mark.parametrize("damage", ["gone", "listing gone", "changed", "listing changed"])
def test_data_that_the_remote_lost_or_changed_is_one_sentence(versions, target, tmp_path, damage):
    shutil.copytree(versions.root, tmp_path / "repository")
    remote = tmp_path / "remote"
    shutil.copytree(versions.remote, remote)
    dvc(tmp_path / "repository", "remote", "modify", "--local", "store", "url", str(remote))
    objects = [p for p in remote.rglob("*") if p.is_file()]
    listings = [p for p in objects if p.suffix == ".dir" and "train.csv" in p.read_text()]
    md5 = hashlib.md5(b"first").hexdigest()
    chosen = listings if damage.startswith("listing") else [remote / "files" / "md5" / md5[:2] / md5[2:]]
    for path in chosen:
        path.chmod(0o644)
        if damage.endswith("gone"):
            path.unlink()
        else:
            path.write_text(path.read_text().replace("first", "forst").replace("train.csv", "../../up"))
    with pytest.raises(TaskError) as caught:
        fetch_source(TaskPaths(tmp_path / "repository", "eyes"), DvcSource(repo=".", path="dataset", rev="dv1"), target)
    words = {"gone": "push", "listing gone": "push", "changed": "damaged", "listing changed": "rename"}
    assert words[damage] in str(caught.value)
    assert not (target.parent / "up").exists()
