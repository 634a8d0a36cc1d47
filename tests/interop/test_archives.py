"""tar and zip streams in and out; what is wrong with them is said, and nothing of them is kept."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
import threading
import zipfile
from contextlib import suppress

import pytest

import pfslib
from pfslib.api.editing import Editing
from pfslib.interop.arriving import Imported
from pfslib.interop.tar_stream import export_tar, import_tar
from pfslib.interop.zip_file import export_zip, import_zip
from pfslib.testing.strategies import noise


class OnlyRead(io.RawIOBase):
    """A pipe: nothing to seek in."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(buffer)


class OnlyWrite(io.RawIOBase):
    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += bytes(data)
        return len(data)


@pytest.fixture
def tree(tmp_path):
    """A host directory with all that archives and commits both know."""
    top = tmp_path / "tree"
    (top / "dir/below").mkdir(parents=True)
    (top / "dir/below/large").write_bytes(noise(300_000))
    (top / "dir/run").write_text("#!/bin/sh\n")
    (top / "dir/run").chmod(0o755)
    (top / "dir/link").symlink_to("run")
    (top / "ünï").write_text("text")
    (top / "empty").touch()
    os.utime(top / "dir/run", (1_500_000_000, 1_500_000_000))
    return top


def same_trees(commit: pfslib.Commit, tree) -> None:
    found = {info.path[1:]: info for info in commit.walk() if info.kind != "dir"}
    there = {str(p.relative_to(tree)): p for p in tree.rglob("*") if p.is_symlink() or p.is_file()}
    assert found.keys() == there.keys()
    for name, info in found.items():
        path = there[name]
        if path.is_symlink():
            assert info.kind == "symlink"
            assert commit.get_file(info.path) == os.fsencode(path.readlink())
            continue
        assert commit.get_file(info.path) == path.read_bytes()
        assert info.executable == bool(path.stat().st_mode & stat.S_IXUSR)
        assert abs(info.modified.timestamp() - path.stat().st_mtime) <= 2


# --- there and back --------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["", "z", "j", "J"])
def test_what_tar_makes_arrives(repo, tree, packed):
    (tree / "hard").hardlink_to(tree / "dir/below/large")
    stream = subprocess.run(
        ["tar", f"-c{packed}", "-C", tree, "."], capture_output=True, check=True
    ).stdout
    with repo.commit() as commit:
        done = import_tar(commit, OnlyRead(stream))
    assert done.files == 6
    same_trees(commit.commit, tree)


@pytest.mark.parametrize("packing", ["", "gz", "xz"])
def test_a_commit_goes_out_as_tar_takes_it(repo, tree, tmp_path, packing):
    with repo.commit() as commit:
        commit.put_file("/at", tree)
    out = OnlyWrite()
    export_tar(commit.commit, out, "/at", packing=packing)
    again = OnlyWrite()
    export_tar(commit.commit, again, "/at", packing=packing)
    if packing != "gz":  # whose header has the time
        assert out.data == again.data
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xa" if not packing else f"-x{'z' if packing == 'gz' else 'J'}",
                    "-C", tmp_path / "out"], input=out.data, check=True)  # fmt: skip
    with repo.commit("back") as back:
        back.put_file("/", tmp_path / "out")
    same_trees(back.commit, tree)
    with repo.commit("direct") as direct:
        import_tar(direct, OnlyRead(out.data))
    assert list(direct.commit.diff(back.commit)) == []


@pytest.mark.parametrize("kind", [io.BytesIO, OnlyRead])
def test_zip_there_and_back(repo, tree, kind):
    with repo.commit() as commit:
        commit.put_file("/", tree)
    out = OnlyWrite()
    export_zip(commit.commit, out)
    with zipfile.ZipFile(io.BytesIO(out.data)) as archive:
        assert archive.testzip() is None
        assert archive.read("dir/below/large") == noise(300_000)
    with repo.commit("back") as back:
        done = import_zip(back, kind(out.data), "/")
    assert (done.files, done.skipped) == (5, ())
    assert list(back.commit.diff(commit.commit)) == []
    same_trees(back.commit, tree)


def test_archives_go_below_a_path_and_over_what_is_there(repo):
    with repo.commit() as commit:
        commit.put_file("/at/old", b"stays")
        commit.put_file("/at/new", b"goes")
        import_tar(commit, tar_of(member("new", b"1"), member("new", b"22")), "/at")
    assert [(f.path, f.size) for f in commit.commit.walk("/at")] == [("/at/new", 2), ("/at/old", 5)]


def test_names_that_are_not_utf8_survive_tar_and_are_refused_by_zip(repo):
    name = b"\xff.bin".decode("utf-8", "surrogateescape")
    with repo.commit() as commit:
        commit.put_file(name, b"1")
    out = io.BytesIO()
    export_tar(commit.commit, out)
    out.seek(0)
    with repo.commit("back") as back:
        import_tar(back, out)
    assert [info.path for info in back.commit.walk()] == [f"/{name}"]
    with pytest.raises(pfslib.InvalidPathError, match="zip"):
        export_zip(commit.commit, io.BytesIO())


def test_only_directories_go_out(repo):
    with repo.commit() as commit:
        commit.put_file("/f", b"1")
    for export in (export_tar, export_zip):
        with pytest.raises(NotADirectoryError):
            export(commit.commit, io.BytesIO(), "/f")
        with pytest.raises(FileNotFoundError):
            export(commit.commit, io.BytesIO(), "/none")


def test_an_open_commit_goes_out_too(repo):
    with repo.commit() as commit:
        commit.put_file("/f", b"1")
        out = io.BytesIO()
        export_tar(commit, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        assert archive.getnames() == ["f"]


def test_a_stream_through_a_pipe(repo, tree):
    """Neither side is ever whole in memory, or seekable."""
    with repo.commit() as commit:
        commit.put_file("/", tree)
    reading, writing = os.pipe()

    def send() -> None:
        with os.fdopen(writing, "wb") as pipe:
            export_tar(commit.commit, pipe)

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(reading, "rb") as pipe, repo.commit("copy") as copy:
        import_tar(copy, pipe)
    thread.join()
    assert list(copy.commit.diff(commit.commit)) == []


# --- what is wrong ---------------------------------------------------------------------------


def member(name: str, data: bytes = b"", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


def zip_of(name: str, mode: int = 0, data: bytes = b"data") -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, data)
    out.seek(0)
    return out


def refused(repo: pfslib.Repo, importing, stream, error=pfslib.InvalidInputError) -> str:
    """What an import is refused with; nothing of it may be kept."""
    with pytest.raises(error) as caught, repo.commit() as commit:
        importing(commit, stream)
    assert list(repo.list_commit()) == []
    assert repo.list_open() == []
    return str(caught.value)


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/abs", "..", "a/.."])
def test_names_that_lead_out_are_refused(repo, name):
    good = member("good", b"1")
    assert "outside" in refused(repo, import_tar, tar_of(good, member(name, b"1")))
    assert "outside" in refused(repo, import_zip, zip_of(name))
    directory = member(name, type=tarfile.DIRTYPE)
    assert "outside" in refused(repo, import_tar, tar_of(directory))
    link = member("link", type=tarfile.LNKTYPE, linkname=name)
    assert "outside" in refused(repo, import_tar, tar_of(good, link))


def test_a_link_in_an_archive_is_never_followed(repo, tmp_path):
    (tmp_path / "outside").mkdir()
    link = member("link", type=tarfile.SYMTYPE, linkname=str(tmp_path / "outside"))
    refused(repo, import_tar, tar_of(link, member("link/f", b"1")), pfslib.PathClashError)
    assert list((tmp_path / "outside").iterdir()) == []
    with repo.commit() as commit:
        import_tar(commit, tar_of(link))
    assert commit.commit.get_file("/link") == os.fsencode(tmp_path / "outside")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused_or_skipped(repo, kind):
    special = member("special", type=kind)
    refused(repo, import_tar, tar_of(member("good", b"1"), special))
    with repo.commit() as commit:
        done = import_tar(commit, tar_of(member("good", b"1"), special), special="skip")
    assert done.skipped == ("special",)
    assert [info.path for info in commit.commit.walk()] == ["/good"]


def test_a_zip_with_devices_or_secrets_is_refused_or_skipped(repo):
    refused(repo, import_zip, zip_of("fifo", stat.S_IFIFO | 0o644))
    secret = bytearray(zip_of("secret").getvalue())
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    secret[6] |= 1
    assert "encrypted" in refused(repo, import_zip, io.BytesIO(bytes(secret)))
    with repo.commit() as commit:
        done = import_zip(commit, io.BytesIO(bytes(secret)), special="skip")
    assert done.skipped == ("secret",)


def test_streams_that_are_cut_short_or_none_at_all(repo):
    whole = tar_of(member("f", noise(50_000))).getvalue()
    for damaged in (b"", b"no archive" * 100, whole[:600], whole[:30_000]):
        assert "cannot be read" in refused(repo, import_tar, io.BytesIO(damaged))
    packed = subprocess.run(["gzip", "-c"], input=whole, capture_output=True, check=True).stdout
    assert "cannot be read" in refused(repo, import_tar, io.BytesIO(packed[:20_000]))
    zipped = zip_of("f", data=noise(50_000)).getvalue()
    for damaged in (b"", b"PK", zipped[:30_000], zipped.replace(noise(50_000)[:20], bytes(20))):
        assert "cannot be read" in refused(repo, import_zip, io.BytesIO(damaged))


def test_sizes_that_are_lies(repo):
    claim = tarfile.TarInfo("f")
    claim.size = 2**63
    header = claim.tobuf(tarfile.GNU_FORMAT)
    assert "cannot be read" in refused(repo, import_tar, io.BytesIO(header + b"x" * 2048))
    extended = tarfile.TarInfo("f")
    extended.type, extended.size = tarfile.XHDTYPE, 10**12
    stream = io.BytesIO(extended.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    assert "claims" in refused(repo, import_tar, stream)


def test_holes_without_end_are_refused(repo, tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    stream = subprocess.run(
        ["tar", "-cS", "-C", tmp_path, "sparse"], capture_output=True, check=True
    ).stdout
    assert len(stream) < 100_000
    assert "sparse" in refused(repo, import_tar, io.BytesIO(stream))


def test_times_before_and_after_all_time(repo):
    with repo.commit() as commit:
        import_tar(commit, tar_of(member("old", mtime=-5), member("new", mtime=10**17)))
    years = [info.modified.year for info in commit.commit.walk()]
    assert years == [2262, 1970]
    export_zip(commit.commit, out := io.BytesIO())
    assert sorted(info.date_time[0] for info in zipfile.ZipFile(out).infolist()) == [1980, 2107]


# --- damage, and what looks whole ------------------------------------------------------------


def packed(data: bytes, packing: str) -> bytes:
    return {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[packing](data)


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
def test_no_tar_that_is_cut_or_damaged_is_taken_for_whole(repo, packing):
    two = tar_of(member("a", b"1" * 600), member("b", b"2")).getvalue()
    end = 512 + 1024 + 512 + 512
    assert two[end:].strip(b"\0") == b""
    damaged = [
        *(two[:size] for size in (0, 100, 512, 1536, 1600, 2048, 2049, end, end + 512, end + 1000)),
        *(two[:at] + b"\x7f" + two[at + 1 :] for at in (0, 150, 1536, 1536 + 150)),
        two[:1536] + b"not a header" * 100,
        two[: end + 1024] + b"behind",
        two + two,
    ]
    for data in damaged:
        assert "cannot be read" in refused(repo, import_tar, io.BytesIO(packed(data, packing)))
    for data in (two, two[: end + 1024]):
        with repo.commit("whole") as commit:
            assert import_tar(commit, OnlyRead(packed(data, packing))).files == 2


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_packed_streams_are_verified_and_read_one_after_the_other(repo, packing):
    tar = tar_of(member("a", noise(3000)), member("b", b"2")).getvalue()
    whole = packed(tar, packing)
    for position in (len(whole) - 6, len(whole) - 12):  # where the checksums are
        damaged = bytearray(whole)
        damaged[position] ^= 1
        refused(repo, import_tar, io.BytesIO(damaged))
    refused(repo, import_tar, io.BytesIO(whole[:-4]))
    with repo.commit() as commit:
        in_two = packed(tar[:2000], packing) + packed(tar[2000:], packing)
        assert import_tar(commit, OnlyRead(in_two)).files == 2
    assert commit.commit.get_file("/a") == noise(3000)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def test_hard_links_are_to_files_that_came_before_in_the_archive(repo):
    with repo.commit() as commit:
        commit.put_file("/secret", b"of somebody else")
        commit.put_file("/d/f", b"")
    fifo = member("fifo", type=tarfile.FIFOTYPE)
    for members in (
        [hard("mine", "secret")],
        [hard("late", "f"), member("f", b"1")],
        [member("d/f", b"1"), hard("d/d", "d")],  # doubled 60 times, it is more than there is
        [member("d", type=tarfile.DIRTYPE), hard("e", "d")],
    ):
        with pytest.raises(pfslib.InvalidInputError, match="hard link"), repo.commit() as commit:
            import_tar(commit, tar_of(*members))
    assert len(list(repo.list_commit())) == 1
    with repo.commit("skipped") as commit:
        members = (fifo, hard("link", "fifo"), member("f", b"1"), hard("g", "f"), hard("h", "g"))
        done = import_tar(commit, tar_of(*members), special="skip")
    assert done == Imported(3, 1, ("fifo", "link"))
    assert [info.path for info in commit.commit.walk()] == ["/f", "/g", "/h"]


def test_more_copies_than_can_be_counted_are_refused(repo):
    with (
        pytest.raises(pfslib.InvalidInputError, match="too many to count"),
        repo.commit() as commit,
    ):
        commit.put_file("/d/f", b"x")
        for number in range(70):
            commit.copy_file(commit, "/d", f"/d/{number}")
    assert list(repo.list_commit()) == []


def test_incremental_archives_of_gnu_keep_their_names(repo, tmp_path, tree):
    stream = subprocess.run(
        ["tar", "-c", f"--listed-incremental={tmp_path}/list", "-C", tree, "."],
        capture_output=True,
        check=True,
    ).stdout
    with repo.commit() as commit:
        import_tar(commit, io.BytesIO(stream))
    same_trees(commit.commit, tree)


def test_a_zip_whose_bytes_are_damaged_is_named_so(repo):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("n\u00e4me", noise(100) * 3)
        archive.writestr("other", b"")
    whole = out.getvalue()
    with repo.commit() as commit:
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 0xFF
            with suppress(pfslib.PfsError):
                import_zip(commit, io.BytesIO(damaged))
        commit.discard()


def test_a_zip_whose_members_share_bytes_is_refused(repo):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bomb", bytes(10_000))
        second = archive.getinfo("bomb")
        archive.filelist.append(second)
    assert "within another" in refused(repo, import_zip, out)


def test_hard_links_cost_what_files_do(repo, monkeypatch):
    """Each an edit that waits for the end; none has the others folded into the tree first."""
    folds = []
    monkeypatch.setattr(Editing, "fold", folds.append)
    members = [
        made
        for number in range(20)
        for made in (
            member(f"f{number}", noise(3000, number)),
            hard(f"l{number}", f"f{number}"),
            hard(f"m{number}", f"l{number // 2}"),
        )
    ]
    with repo.commit() as commit:
        import_tar(commit, tar_of(*members))
        assert folds == []
        monkeypatch.undo()
    for number in range(20):
        assert commit.commit.get_file(f"/l{number}") == noise(3000, number)
        assert commit.commit.get_file(f"/m{number}") == noise(3000, number // 2)


@pytest.mark.parametrize("start", ["commit", "start_commit"])
def test_a_commit_copies_what_it_has_just_got(start, repo):
    open_commit = getattr(repo, start)()
    open_commit.put_file("/a", noise(5000, 1))
    open_commit.copy_file(open_commit, "/a", "/b")
    open_commit.put_file("/a", b"!", append=True)
    open_commit.copy_file(open_commit, "/a", "/dir/c")
    open_commit.delete_file("/a")
    for missing in ("/a", "/dir/x", "/b/x"):
        with pytest.raises((pfslib.PathNotFoundError, pfslib.NotADirectoryInCommitError)):
            open_commit.copy_file(open_commit, missing, "/d")
    open_commit.copy_file(open_commit, "/dir", "/e")
    made = open_commit.finish()
    assert [file.path for file in made.walk() if file.kind == "file"] == ["/b", "/dir/c", "/e/c"]
    assert made.get_file("/b") == noise(5000, 1)
    assert made.get_file("/e/c") == noise(5000, 1) + b"!"
