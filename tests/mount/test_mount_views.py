"""What can be mounted besides a commit: a part of one, several side by side, all of a store."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfsfuse.errnos import errno_of
from pfsfuse.operations import Operations
from pfsfuse.store_view import ShownStore
from pfslib import CatalogEntry
from pfslib.mounts.mountinfo import list_mounts

pytestmark = pytest.mark.mount


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pfslib.Store]:
    with pfslib.init(tmp_path / "store") as store:
        for name in ("a", "b"):
            store.create_repo(name)
            put(store, name, {"/x": name, "/sub/y": f"{name} y", "/sub/deep/z": "z" * 5000})
        yield store


def put(store: pfslib.Store, repo: str, files: dict[str, str]) -> pfslib.Commit:
    with store.repo(repo).commit("master") as commit:
        for path, content in files.items():
            commit.put_file(path, content)
    assert commit.commit is not None
    return commit.commit


def label(path: Path) -> str:
    return os.getxattr(path, "user.pfs.commit").decode()


def names(path: Path) -> list[str]:
    return sorted(below.name for below in path.iterdir())


# --- part of a commit, and several -----------------------------------------------------------


def test_a_directory_of_a_commit(store: pfslib.Store) -> None:
    commit = store.commit("a@master")
    with commit.mount(below="/sub") as path:
        assert names(path) == ["deep", "y"]
        assert (path / "y").read_text() == "a y"
        assert label(path / "y") == str(commit)
        assert os.statvfs(path).f_files == 2
    with pytest.raises(pfslib.NotADirectoryInCommitError):
        commit.mount(below="/x")
    with pytest.raises(pfslib.PathNotFoundError):
        commit.mount(below="/nope")


def test_several_side_by_side(store: pfslib.Store) -> None:
    old = store.commit("b@master")
    put(store, "b", {"/x": "newer"})
    with store.mount(show=["a@master", f"b@{old.id}:/sub"]) as path:
        assert names(path) == ["a", "b"]
        assert (path / "a/x").read_text() == "a"
        assert names(path / "b") == ["deep", "y"]
        assert label(path / "b/y") == str(old)
        assert label(path / "a") == str(store.commit("a@master"))
        assert os.statvfs(path).f_files == 5
    with store.mount(show={"new": "b@master", "old": old}) as path:
        assert [(path / name / "x").read_text() for name in ("new", "old")] == ["newer", "b"]


def test_two_of_one_name_are_refused(store: pfslib.Store) -> None:
    with pytest.raises(pfslib.InvalidInputError, match="shown as a"):
        store.mount(show=["a@master", "a@master^"])
    with pytest.raises(pfslib.InvalidNameError):
        store.mount(show={"a/b": "a@master"})
    with pytest.raises(pfslib.InvalidInputError, match="nothing"):
        store.mount(show=[])


# --- a whole store ---------------------------------------------------------------------------


def test_a_store_lists_repos_with_branches_tags_and_commits(store: pfslib.Store) -> None:
    commit = store.commit("a@master")
    store.repo("a").create_tag("v1")
    with store.mount() as path:
        assert names(path) == ["a", "b"]
        assert names(path / "a") == sorted([commit.id, "master", "v1"])
        for name in (commit.id, "master", "v1"):
            assert (path / "a" / name / "sub/y").read_text() == "a y"
            assert label(path / "a" / name) == str(commit)
        for missing in ("nope", "a/nope", "a/" + "0" * 32, "a/é", "b/" + commit.id, "-", "a/v1/no"):
            assert not (path / missing).exists()
        listed = {entry.name: entry.inode() for entry in os.scandir(path / "a")}
        assert listed == {name: (path / "a" / name).stat().st_ino for name in listed}


def test_more_side_by_side_than_a_message_or_a_name_of_a_file_system_holds(
    store: pfslib.Store,
) -> None:
    commits = [put(store, "a", {"/x": f"version {number}"}) for number in range(3)]
    show = {f"{number:0120}": commits[number % 3] for number in range(1000)}
    with store.mount(show=show) as path:
        assert names(path) == sorted(show)
        for name in (f"{number:0120}" for number in (0, 299, 999)):
            assert (path / name / "x").read_text() == f"version {int(name) % 3}"
            assert label(path / name) == str(show[name])
        source = next(record.fsname for record in list_mounts() if record.path == path)
        assert source.startswith(f"pfs:{commits[0]} {commits[1]} ")
        assert source.endswith("…")
        assert len(names(store.path / "holds")) < 10


def test_a_store_is_as_large_as_its_heads(store: pfslib.Store) -> None:
    with store.mount() as path:
        assert os.statvfs(path).f_files == 6
        put(store, "a", {"/more": "x" * 100_000})
        found = os.statvfs(path)
        assert found.f_files == 7
        total = sum(store.commit(f"{name}@master").size for name in "ab")
        assert found.f_blocks == -(-total // found.f_frsize)


def test_a_store_and_its_repos_are_as_old_as_their_newest_heads(store: pfslib.Store) -> None:
    """The same however often it is mounted, for programs that ask what is new."""
    for _ in range(2):
        with store.mount() as path:
            times = {name: (path / name / "master").stat().st_mtime_ns for name in "ab"}
            assert times["a"] < times["b"]
            assert {name: (path / name).stat().st_mtime_ns for name in "ab"} == times
            assert path.stat().st_mtime_ns == times["b"]


def test_new_repos_branches_and_commits_appear_and_old_ones_go(store: pfslib.Store) -> None:
    with store.mount() as path:
        assert not (path / "c").exists()
        assert names(path / "a") == sorted([store.commit("a@master").id, "master"])
        store.create_repo("c")
        assert names(path) == ["a", "b", "c"]
        assert names(path / "c") == []
        commit = put(store, "c", {"/first": "1"})
        assert names(path / "c") == sorted([commit.id, "master"])
        assert (path / "c/master/first").read_text() == "1"
        store.delete_repo("c")
        assert not (path / "c/master").exists()
        assert names(path) == ["a", "b"]


def test_a_branch_follows_its_head(store: pfslib.Store) -> None:
    with store.mount() as path:
        master = path / "a/master"
        before = master.stat().st_ino
        assert master.stat().st_ino == before
        for number in range(3):
            commit = put(store, "a", {"/x": f"version {number}", f"/new{number}": ""})
            assert (master / "x").read_text() == f"version {number}"
            assert (master / f"new{number}").exists()
            assert label(master) == str(commit)
        assert master.stat().st_ino != before


def test_a_repo_stays_the_same_directory_while_its_branches_move(
    store: pfslib.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever stands in it stands nowhere, and the kernel forgets all that it knows of it."""
    with store.mount() as path:
        repo = path / "a"
        fd = os.open(repo, os.O_RDONLY | os.O_DIRECTORY)
        monkeypatch.chdir(repo)
        try:
            number, before = repo.stat().st_ino, os.fstat(fd).st_mtime_ns
            for text in ("1", "2"):
                put(store, "a", {"/x": text})
                assert repo.stat().st_ino == number
                newest = Path("master").stat().st_mtime_ns
                assert repo.stat().st_mtime_ns == os.fstat(fd).st_mtime_ns == newest > before
                before = newest
                assert {e.name: e.inode() for e in os.scandir(path)}["a"] == number
                assert Path.cwd() == Path(f"/proc/self/fd/{fd}").readlink() == repo
                assert Path("master/x").read_text() == text
        finally:
            monkeypatch.undo()
            os.close(fd)


def test_what_is_open_stays_with_its_commit(store: pfslib.Store) -> None:
    """Files, memory maps' pages, listings and working directories: nothing is of two commits."""
    big = "old line\n" * 200_000
    put(store, "a", {"/big": big, **{f"/many/{n:04}": "old" for n in range(3000)}})
    with store.mount() as path:
        with (path / "a/master/big").open("rb") as file:
            half = file.read(100_000)
            listing = os.scandir(path / "a/master/many")
            first = next(listing).name
            directory = os.open(path / "a/master", os.O_RDONLY)
            put(
                store,
                "a",
                {"/big": "new line\n" * 200_000, **{f"/many/{n:04}x": "n" for n in range(3000)}},
            )
            assert (path / "a/master/big").read_bytes()[:3] == b"new"
            assert half + file.read() == big.encode()
        seen = [first, *(entry.name for entry in listing)]
        assert seen == [f"{n:04}" for n in range(3000)]
        assert len(names(path / "a/master/many")) == 6000
        fd = os.open("big", os.O_RDONLY, dir_fd=directory)
        assert os.read(fd, 3) == b"old"
        os.close(fd)
        os.close(directory)


@pytest.mark.parametrize(
    "error", [pfslib.StoreFullError("s", "no room"), OSError(errno.EACCES, "no")]
)
def test_what_cannot_be_kept_from_gc_is_an_error_of_its_name_alone(
    store: pfslib.Store, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store.commit("a@master")

    def keep(entry: CatalogEntry) -> None:
        if entry.name == "master":
            raise error

    with pfslib.open_catalog(store.path) as catalog:
        monkeypatch.setattr(catalog, "keep", keep)
        operations = Operations(ShownStore(catalog).top())
        repo = operations.lookup(operations.top, b"a")
        with pytest.raises(OSError, match=f"a@{commit.id} cannot be kept from gc") as caught:
            operations.lookup(repo, b"master")
        assert errno_of(caught.value, "lookup", lambda: b"/a/master") == errno.EIO
        assert operations.lookup(repo, commit.id.encode()).shown.label == str(commit).encode()


def test_a_repo_that_changes_is_listed_as_it_was(store: pfslib.Store) -> None:
    """Each name once, though names come and go before the place where the reader is."""
    repo = store.repo("a")
    for number in range(400):
        repo.create_branch(f"m{number:0100}", "master")
    with store.mount() as path:
        expected = names(path / "a")
        listing = os.scandir(path / "a")
        seen = [next(listing).name for _ in range(5)]
        for number in range(20):
            repo.create_branch(f"a{number:03}", "master")
            repo.delete_branch(f"m{number + 350:0100}")
        seen += [entry.name for entry in listing]
        assert seen == expected
        assert len(names(path / "a")) == len(expected)


def test_a_commit_looked_at_stays_readable_though_deleted_and_collected(
    store: pfslib.Store,
) -> None:
    put(store, "a", {"/rare": "rare " * 20_000})
    with store.mount() as path:
        with (path / "a/master/rare").open("rb") as file:
            store.delete_repo("a")
            store.gc()
            assert file.read() == b"rare " * 20_000
        assert not (path / "a").exists()


def test_a_deleted_commit_that_is_mounted_stays_readable(store: pfslib.Store) -> None:
    commit = put(store, "a", {"/rare": "rare " * 20_000})
    with commit.mount() as path, store.mount(show={"r": commit}) as beside:
        store.delete_repo("a")
        store.gc()
        assert (path / "rare").read_text() == "rare " * 20_000
        assert (beside / "r/rare").read_text() == "rare " * 20_000
    store.gc()
    with pytest.raises(pfslib.CommitNotFoundError):
        commit.mount()


def test_nothing_can_be_changed_in_a_store_mount(store: pfslib.Store) -> None:
    with store.mount() as path:
        for change in (
            (path / "new").mkdir,
            (path / "a/new").mkdir,
            (path / "a/master/new").touch,
            lambda: (path / "a/master").rename(path / "a/slave"),
        ):
            with pytest.raises(OSError, match=rf"Errno {errno.EROFS}\]"):
                change()


def test_a_store_by_fusepy_is_refused(store: pfslib.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFS_MOUNT_BINDING", "fusepy")
    with pytest.raises(pfslib.MountError, match="whole store"):
        store.mount()


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["a@master"], "x"),
        (["a", "master"], "x"),
        (["a@master:/sub"], "y"),
        (["a@master", "b@master:/sub"], "b/y"),
        (["one=a@master", "two=a@master^0"], "two/x"),
        ([], "a/master/x"),
    ],
)
def test_the_command(
    store: pfslib.Store, mountpoint: Path, words: list[str], file: str, pfs: list[str]
) -> None:
    subprocess.run([*pfs, "mount", *words, mountpoint, "--store", store.path], check=True)
    try:
        assert (mountpoint / file).exists()
        listed = subprocess.run([*pfs, "list", "mount"], capture_output=True, check=True).stdout
        assert str(mountpoint).encode() in listed
    finally:
        subprocess.run([*pfs, "unmount", mountpoint], check=True)
    assert not any(mountpoint.iterdir())


def test_a_commit_of_another_store_is_not_shown(store: pfslib.Store, tmp_path: Path) -> None:
    with pfslib.init(tmp_path / "another") as another:
        with another.create_repo("r").commit() as making:
            making.put_file("/f", b"f")
        with pytest.raises(pfslib.InvalidInputError, match="is of another store"):
            store.mount(show=[making.commit])
