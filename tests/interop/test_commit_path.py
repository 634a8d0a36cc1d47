"""A path of a commit says what pathlib says of the same tree exported."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

import pfslib

FILES = {
    "/a.txt": b"a\r\nb\n",
    "/data/b.csv": b"1,2\n",
    "/data/deep/c.csv": b"3\n",
    "/data/deep/d.tar.gz": b"\xff",
    "/data/{x,y}.csv": b"braces\n",
    "/other/e.csv": b"",
}


@pytest.fixture
def commit(repo, tmp_path) -> pfslib.Commit:
    (tmp_path / "run.sh").write_text("true")
    (tmp_path / "run.sh").chmod(0o755)
    with repo.commit() as open_commit:
        for path, data in FILES.items():
            open_commit.put_file(path, data)
        open_commit.put_file("/bin/run.sh", tmp_path / "run.sh")
        (tmp_path / "links").mkdir()
        (tmp_path / "links/to").symlink_to("../a.txt")
        open_commit.put_file("/links", tmp_path / "links")
    return open_commit.commit


@pytest.fixture
def host(commit, tmp_path) -> Path:
    commit.export(tmp_path / "host")
    return tmp_path / "host"


def everything(top):
    return [top, *sorted(top.rglob("*"))]


def test_it_walks_and_reads_as_the_host_does(commit, host):
    ours, theirs = everything(commit / ""), everything(host)
    assert [str(p.relative_to(commit / "")) for p in ours] == [
        str(p.relative_to(host)) for p in theirs
    ]
    for our, their in zip(ours, theirs, strict=True):
        if their.is_symlink():
            assert our.is_symlink()
            assert our.readlink() == Path(their.readlink())
            continue
        assert (our.exists(), our.is_file(), our.is_dir(), our.is_symlink()) == (
            their.exists(), their.is_file(), their.is_dir(), their.is_symlink()
        )  # fmt: skip
        assert stat.S_IFMT(our.stat().st_mode) == stat.S_IFMT(their.stat().st_mode)
        if their.is_dir():
            assert sorted(p.name for p in our.iterdir()) == sorted(p.name for p in their.iterdir())
            continue
        assert our.read_bytes() == their.read_bytes()
        assert our.stat().st_size == their.stat().st_size
        assert int(our.stat().st_mtime) == int(their.stat().st_mtime)
        assert our.stat().st_mode & 0o111 == their.stat().st_mode & 0o111 & 0o555
    assert (commit / "a.txt").read_text() == (host / "a.txt").read_text()


@pytest.mark.parametrize(
    "pattern", ["*.csv", "*", "**/*.csv", "data/*", "*/*/c.csv", "**/deep/*", "{x,y}.csv", "no/*"]
)
def test_it_globs_as_pathlib_does(commit, host, pattern):
    for below in ("", "data"):
        ours = sorted(str(p.relative_to(commit / "")) for p in (commit / below).glob(pattern))
        theirs = sorted(str(p.relative_to(host)) for p in (host / below).glob(pattern))
        assert ours == theirs


def test_it_walks_from_directory_to_directory(commit, host):
    ours = [(str(p.relative_to(commit / "")), *names) for p, *names in (commit / "").walk()]
    theirs = [
        (str(Path(p).relative_to(host)), sorted(dirs), sorted(files))
        for p, dirs, files in os.walk(host)
    ]
    assert sorted(ours) == sorted(theirs)
    seen = []
    for path, dirs, _ in (commit / "").walk():
        seen.append(path.name)
        dirs[:] = [name for name in dirs if name == "data"]
    assert seen == ["", "data"]
    with pytest.raises(NotADirectoryError):
        next((commit / "a.txt").walk())


def test_a_directory_whose_name_is_a_pattern_is_taken_for_its_name(repo):
    with repo.commit() as open_commit:
        open_commit.put_file("/[ab]*{c}/f", b"1")
        open_commit.put_file("/axc/f", b"2")
    top = open_commit.commit / "[ab]*{c}"
    assert [p.path for p in top.glob("*")] == ["/[ab]*{c}/f"]


def test_it_is_taken_apart_as_pathlib_does(commit):
    path = commit / "data" / "deep/d.tar.gz"
    pure = Path("/data/deep/d.tar.gz")
    for name in ("parts", "name", "stem", "suffix", "suffixes"):
        assert getattr(path, name) == getattr(pure, name)
    assert [p.path for p in path.parents] == [str(p) for p in pure.parents]
    assert path.parent.path == "/data/deep"
    assert (commit / "").parent == commit / ""
    assert path.with_name("x").path == "/data/deep/x"
    assert path.with_suffix(".zip").path == "/data/deep/d.tar.zip"
    assert path.with_stem("x").path == "/data/deep/x.gz"
    assert (path.as_posix(), path.is_absolute()) == ("/data/deep/d.tar.gz", True)
    assert path.lstat() == path.stat()
    assert path.joinpath("..x", "y").path == "/data/deep/d.tar.gz/..x/y"
    assert path.is_relative_to("/data")
    assert path.match("*.gz")
    assert path.relative_to(commit / "data").as_posix() == "deep/d.tar.gz"
    assert str(path) == f"repo@{commit.id}:/data/deep/d.tar.gz"
    assert path.url == f"pfs://repo@{commit.id}/data/deep/d.tar.gz"
    assert sorted([path, commit / "a.txt"]) == [commit / "a.txt", path]
    with pytest.raises(TypeError, match="not supported between"):
        sorted(["/a.txt", path])
    assert len({path, commit / "data/deep/d.tar.gz"}) == 1
    assert path != "other"
    with pytest.raises(pfslib.InvalidPathError):
        _ = commit / "../up"


def test_what_is_wrong_is_the_builtin_error(commit):
    with pytest.raises(FileNotFoundError):
        (commit / "none").read_bytes()
    with pytest.raises(FileNotFoundError):
        (commit / "none").iterdir()
    with pytest.raises(NotADirectoryError):
        (commit / "a.txt").iterdir()
    with pytest.raises(IsADirectoryError):
        (commit / "data").read_bytes()
    assert not (commit / "a.txt/below").exists()
    with pytest.raises(ValueError, match="no symbolic link"):
        (commit / "a.txt").readlink()
    for pattern in ("", "/abs"):
        with pytest.raises(ValueError, match="relative"):
            (commit / "data").glob(pattern)


def test_a_path_of_an_open_commit_shows_what_was_put(repo):
    with repo.commit() as open_commit:
        path = open_commit / "x/y"
        assert not path.exists()
        open_commit.put_file("/x/y", "later")
        assert path.read_text() == "later"


def test_a_file_is_a_binary_file_as_python_has_them(commit):
    with (commit / "data/b.csv").open("rb") as file:
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
        assert file.read(2) == b"1,"
        assert file.tell() == 2
        assert file.seek(-1, 2) == 3
        assert list(file) == [b"\n"]
    with pytest.raises(ValueError, match="closed"):
        file.read()
    with (commit / "a.txt").open() as text:
        assert list(text) == ["a\n", "b\n"]


# --- writing ---------------------------------------------------------------------------------


def edit(top) -> None:
    """What somebody does to a tree who knows pathlib."""
    (top / "new").mkdir()
    (top / "data").mkdir(parents=True, exist_ok=True)
    assert (top / "new/f").write_text("é\n", encoding="utf-16") == 2
    assert (top / "a.txt").write_bytes(b"other") == 5
    (top / "new/empty").touch()
    (top / "a.txt").touch()
    (top / "data/b.csv").unlink()
    (top / "data/b.csv").unlink(missing_ok=True)
    (top / "other/e.csv").rename(top / "new/e.csv")
    assert (top / "new/f").replace(top / "new/g") == top / "new/g"


def test_an_open_commit_is_written_as_the_host_is(repo, commit, host):
    with repo.commit() as open_commit:
        edit(open_commit / "")
    edit(host)
    (host / "other").rmdir()  # which a commit does not keep
    now = open_commit.commit / ""
    assert [str(p.relative_to(now)) for p in everything(now)] == [
        str(p.relative_to(host)) for p in everything(host)
    ]
    for path in everything(now):
        if path.is_file():
            assert path.read_bytes() == (host / path.relative_to(now)).read_bytes()


def test_what_pathlib_refuses_is_refused(repo, commit, host):
    with repo.commit() as open_commit:
        for call, expected in {
            lambda top: (top / "data").mkdir(): FileExistsError,
            lambda top: (top / "a.txt").mkdir(exist_ok=True): FileExistsError,
            lambda top: (top / "a.txt").touch(exist_ok=False): FileExistsError,
            lambda top: (top / "missing").unlink(): FileNotFoundError,
            lambda top: (top / "data").unlink(): IsADirectoryError,
            lambda top: (top / "a.txt").rmdir(): NotADirectoryError,
            lambda top: (top / "missing").rmdir(): FileNotFoundError,
            lambda top: (top / "missing").rename(top / "x"): FileNotFoundError,
        }.items():
            for top in (host, open_commit / ""):
                with pytest.raises(expected):
                    call(top)
        with pytest.raises(pfslib.StillNeededError, match="not empty"):
            (open_commit / "data").rmdir()
    assert open_commit.commit is None


@pytest.mark.parametrize(
    ("place", "target"), [("data", "data/below/it"), ("data/deep", "data"), ("data/b.csv", "data")]
)
def test_nothing_is_lost_by_moving_it_into_itself_or_onto_what_it_is_in(
    repo, commit, place, target
):
    with repo.commit() as open_commit:
        with pytest.raises(pfslib.InvalidInputError, match="inside"):
            (open_commit / place).rename(target)
        assert (open_commit / place).rename(place) == open_commit / place
    assert open_commit.commit is None


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("x"),
        lambda path: path.write_bytes(b"x"),
        lambda path: path.open("w"),
        lambda path: path.open("ab"),
        lambda path: path.touch(),
        lambda path: path.mkdir(exist_ok=True),
        lambda path: path.unlink(),
        lambda path: path.rmdir(),
        lambda path: path.rename("/x"),
        lambda path: path.replace("/x"),
    ],
)
def test_a_finished_commit_says_how_to_write_on_top_of_it(write, commit):
    with pytest.raises(OSError, match="already finished") as caught:
        write(commit / "a.txt")
    assert isinstance(caught.value, pfslib.CommitFinishedError)
    assert caught.value.errno == errno.EROFS
    assert "put_file" in caught.value.hint


def test_what_is_not_as_needed_says_what_to_do_next(commit):
    for read in (
        lambda: commit.get_file("/data/missing"),
        lambda: commit.get_file("/data"),
        lambda: commit.get_file("/a.txt/below"),
        lambda: commit.open("/a.txt", "w"),
    ):
        with pytest.raises(pfslib.PfsError) as caught:
            read()
        assert caught.value.hint
