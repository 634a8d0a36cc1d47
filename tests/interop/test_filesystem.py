"""What `pfs://` means, beyond what fsspec's own tests ask for."""

from __future__ import annotations

import gc
import gzip
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest
from fsspec.callbacks import Callback

import pfslib
from pfslib.interop.filesystem import PfsFileSystem
from pfslib.kv.tables import Table
from pfslib.testing.recording import RecordingKV
from pfslib.testing.strategies import noise


def commits(store, branch="scratch@master") -> int:
    repo, _, name = branch.partition("@")
    return len(list(store.repo(repo).list_commit(name)))


# --- one commit ------------------------------------------------------------------------------


def test_each_call_is_one_commit(fs, store, tmp_path):
    for number in range(5):
        (tmp_path / f"f{number}").write_bytes(b"%d" % number)
    calls = [
        lambda: fs.pipe("scratch@master/a/f", b"1"),
        lambda: fs.pipe({"scratch@master/a/g": b"2", "scratch@master/a/h": b"3"}),
        lambda: fs.put(str(tmp_path) + "/f*", "scratch@master/put/"),
        lambda: fs.cp("scratch@master/put", "scratch@master/copy", recursive=True),
        lambda: fs.mv("scratch@master/copy", "scratch@master/moved", recursive=True),
        lambda: fs.rm("scratch@master/moved", recursive=True),
        lambda: fs.rm(["scratch@master/a/f", "scratch@master/a/g"]),
    ]
    for number, call in enumerate(calls, 1):
        call()
        assert commits(store) == number
    paths = [info.path for info in store.commit("scratch@master").walk() if info.kind == "file"]
    assert paths == ["/a/h", *(f"/put/f{number}" for number in range(5))]


def test_a_call_that_fails_in_the_middle_leaves_nothing(fs, store, tmp_path):
    (tmp_path / "good").write_text("1")
    fs.pipe("scratch@master/before", b"")
    with pytest.raises(FileNotFoundError):
        fs.put(
            [str(tmp_path / "good"), str(tmp_path / "missing")],
            ["scratch@master/good", "scratch@master/missing"],
        )
    assert commits(store) == 1
    assert fs.ls("scratch@master", detail=False) == ["scratch@master/before"]
    fs.pipe("scratch@master/after", b"")


def test_what_is_moved_onto_itself_stays_and_into_itself_is_refused(fs, store):
    fs.pipe({"scratch@master/a/f": b"1", "scratch@master/a/b/g": b"2", "scratch@master/h": b"3"})
    for source, target in {
        "scratch@master/h": "pfs://scratch@master/h",
        "pfs://scratch@master/h": "scratch@master/",
        "scratch@master/a/": "scratch@master/a",
        "scratch@master/a": "scratch@master",
        "scratch@master/a/*": "scratch@master/a/",
    }.items():
        fs.mv(source, target, recursive=True)
    fs.mv("scratch@master/a", "scratch@master/a", recursive=True)
    for source, target in {
        "scratch@master/a": "scratch@master/a/b",
        "scratch@master/a/": "scratch@master/a/new/",
        "scratch@master/h": "scratch@master/h/h",
    }.items():
        with pytest.raises(pfslib.InvalidInputError, match="cannot be moved"):
            fs.mv(source, target, recursive=True)
    with pytest.raises(pfslib.InvalidInputError, match="cannot be moved"):
        fs.mv(
            ["scratch@master/h", "scratch@master/a/f"], ["scratch@master/a/f", "scratch@master/i"]
        )
    with pytest.raises(IsADirectoryError):
        fs.mv("scratch@master/a", "scratch@master/c")
    with pytest.raises(FileNotFoundError):
        fs.mv("scratch@master/none", "scratch@master/new")
    assert commits(store) == 1
    fs.mv(["scratch@master/h", "scratch@master/a/f"], "scratch@master/a/")
    assert fs.find("scratch@master") == [f"scratch@master/a/{name}" for name in ("b/g", "f", "h")]
    assert fs.cat("scratch@master/a/h") == b"3"


def test_rm_takes_what_is_named_in_any_order(fs):
    def names() -> list[str]:
        return [path[len("scratch@master/") :] for path in fs.find("scratch@master")]

    tree = {f"scratch@master/{name}": b"" for name in ("a/x", "a/b/c/y", "a-b", "d/z", "e")}
    fs.pipe(tree)
    fs.rm(["scratch@master/a/x", "scratch@master/a", "scratch@master/a-b"], recursive=True)
    assert names() == ["d/z", "e"]
    fs.pipe(tree)
    fs.rm("scratch@master/a", recursive=True, maxdepth=1)
    assert names() == ["a-b", "a/b/c/y", "d/z", "e"]
    fs.rm("scratch@master/**", recursive=True)
    assert names() == []


def test_a_transaction_is_one_commit_and_shows_what_it_wrote(fs, store):
    other = store.create_repo("other")
    with fs.transaction as transaction:
        transaction.message = "all at once"
        fs.pipe("scratch@master/a", b"1")
        with fs.open("scratch@master/b", "wb") as file:
            file.write(b"2")
        fs.mv("scratch@master/b", "scratch@master/c")
        fs.pipe("other@dev/d", b"3")
        assert fs.cat("scratch@master/c") == b"2"
        assert not fs.exists("scratch@master/b")
        assert list(store.repo("scratch").list_commit()) == []
    made = store.commit("scratch@master")
    assert set(transaction.commits) == {made, other["dev"]}
    assert made.message == "all at once"
    assert [info.path for info in made.walk()] == ["/a", "/c"]


def test_a_transaction_that_raises_leaves_nothing(fs, store):
    fs.pipe("scratch@master/a", b"before")
    with pytest.raises(ZeroDivisionError), fs.transaction:
        fs.pipe("scratch@master/a", b"after")
        fs.open("scratch@master/never-closed", "wb").write(b"x")
        raise ZeroDivisionError
    assert fs.cat("scratch@master/a") == b"before"
    assert fs.ls("scratch@master", detail=False) == ["scratch@master/a"]
    assert store.repo("scratch").list_open() == []
    fs.pipe("scratch@master/a", b"later")
    assert commits(store) == 2


def test_a_file_not_closed_when_its_transaction_ends_is_in_it(fs):
    with fs.transaction:
        file = fs.open("scratch@master/f", "w")
        file.write("text")
        file.flush()
    assert fs.cat("scratch@master/f") == b"text"
    file.close()


def test_transactions_in_two_halves(fs):
    fs.start_transaction()
    fs.pipe("scratch@master/f", b"1")
    fs.end_transaction()
    assert fs.cat("scratch@master/f") == b"1"


def test_files_that_are_written_by_url_join_the_transaction(fs, store, by_url):
    import pandas

    known = fsspec.filesystem("pfs")
    with known.transaction:
        for name in "ab":
            pandas.DataFrame({"x": [1]}).to_csv(f"pfs://scratch@master/{name}.csv")
    assert commits(store) == 1


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_file_whose_block_raises_is_not_written(fs, store, mode):
    with pytest.raises(ZeroDivisionError), fs.open("scratch@master/f", mode) as file:
        file.write("half" if mode == "w" else b"half")
        raise ZeroDivisionError
    with pytest.warns(ResourceWarning, match="forgotten was never closed"):
        fs.open("scratch@master/forgotten", mode).write("half" if mode == "w" else b"half")
    assert list(store.repo("scratch").list_commit()) == []


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "xb"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_no_part_of_a_file_is_written_when_the_block_of_fsspec_open_raises(
    fs, store, by_url, mode, compression
):
    url, data = "pfs://scratch@master/f", b"half" if "b" in mode else "half"
    before = list(store.reflog())
    with (
        pytest.raises(ZeroDivisionError),
        fsspec.open(url, mode, compression=compression) as file,
    ):
        file.write(data)
        raise ZeroDivisionError
    assert list(store.reflog()) == before
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:  # of others it is not
        with fsspec.open(url, mode, compression=compression) as file:
            file.write(data)
    with fsspec.open(url, compression=compression) as file:
        assert file.read() == b"half"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_pandas_that_fails_half_way_writes_nothing(fs, store, by_url, compression):
    import pandas

    class Unprintable:
        def __str__(self) -> str:
            raise ZeroDivisionError

    frame = pandas.DataFrame({"x": [1] * 300_000 + [Unprintable()]})
    with pytest.raises(ZeroDivisionError):
        frame.to_csv("pfs://scratch@master/x.csv", compression=compression)
    assert list(store.reflog()) == []
    frame[:10].to_csv("pfs://scratch@master/x.csv", compression=compression)
    assert fs.exists("scratch@master/x.csv")


def test_several_files_of_fsspec_are_written_or_none(fs, store, by_url):
    with pytest.raises(ZeroDivisionError), fsspec.open_files("pfs://scratch@master/*", "wb", num=2):
        raise ZeroDivisionError
    assert not fs.exists("scratch@master")


def test_threads_that_share_it_each_make_their_own_commits(fs, store):
    together = threading.Barrier(4)

    def write(number: int) -> None:
        together.wait(10)
        for part in range(5):
            fs.pipe({f"scratch@master/{number}/{part}/{n}": b"%d" % n for n in range(3)})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert commits(store) == 20
    assert len(fs.find("scratch@master")) == 60


def test_a_branch_that_another_makes_meanwhile_is_a_branch(fs, store, monkeypatch):
    """Between two questions about what a reference means, that is."""
    asked = pfslib.Store.commit
    scratch = store.repo("scratch")

    def commit(self, reference):
        if not scratch.list_branch():
            with scratch.commit("master") as first:
                first.put_file("/a", b"a")
        return asked(self, reference)

    monkeypatch.setattr(pfslib.Store, "commit", commit)
    fs.pipe("scratch@master/b", b"b")
    assert commits(store) == 2


# --- refs ------------------------------------------------------------------------------------


def test_every_reference_can_be_read(fs, store):
    for text in (b"old", b"new"):
        fs.pipe("scratch@master/f", text)
    repo = store.repo("scratch")
    repo.create_tag("v1", "master^")
    old, new = repo["master^"].id, repo["master"].id
    for ref, text in {
        "master": b"new", "master^": b"old", "master.0": b"old", "v1": b"old",
        old: b"old", new[:8]: b"new",
    }.items():  # fmt: skip
        assert fs.cat(f"pfs://scratch@{ref}/f") == text
        assert fs.ls(f"scratch@{ref}", detail=False) == [f"scratch@{ref}/f"]


def test_an_open_commit_is_read_and_written_by_its_id(fs, store):
    lasting = store.start_commit("scratch", "dev")
    fs.pipe(f"scratch@{lasting.id}/f", b"1")
    assert fs.cat(f"scratch@{lasting.id}/f") == b"1"
    assert fs.info(f"scratch@{lasting.id}/f")["size"] == 1
    assert not fs.exists("scratch@dev/f")
    lasting.finish()
    assert fs.cat("scratch@dev/f") == b"1"
    with pytest.raises(pfslib.CommitFinishedError):
        fs.pipe(f"scratch@{lasting.id}/f", b"2")


def test_no_branch_is_made_by_a_reference_to_something_else(fs, store):
    fs.pipe("scratch@m/f", b"1")
    store.repo("scratch").create_tag("v1", "m")
    done, lasting = store.commit("scratch@m"), store.start_commit("scratch", "dev")
    for ref in ("m.0", "v1", done.id[:8]):
        with pytest.raises(pfslib.CommitFinishedError):
            fs.pipe(f"scratch@{ref}/g", b"2")
        with pytest.raises(pfslib.CommitFinishedError), fs.transaction:
            fs.pipe(f"scratch@{ref}/g", b"2")
    fs.pipe(f"scratch@{lasting.id[:8]}/g", b"2")
    assert lasting.get_file("/g") == b"2"
    assert list(store.repo("scratch").inspect().branches) == ["m"]
    store.repo("scratch").commit("m.0").finish()  # who says so may have one, see References
    store.repo("scratch").create_branch("m.0", "m")
    fs.pipe("scratch@m.0/g", b"3")
    assert fs.find("scratch@m.0") == ["scratch@m.0/f", "scratch@m.0/g"]


def test_pinned_urls_keep_their_meaning(fs, store):
    fs.pipe("scratch@master/f", b"old")
    pinned = fs.pinned("pfs://scratch@master/f")
    assert pinned == store.commit("scratch@master").url("/f")
    fs.pipe("scratch@master/f", b"new")
    assert fs.cat(pinned) == b"old"


def test_a_file_that_is_open_does_not_change(fs):
    fs.pipe("scratch@master/f", noise(200_000))
    with fs.open("scratch@master/f") as file:
        head = file.read(10)
        fs.pipe("scratch@master/f", b"short")
        assert head + file.read() == noise(200_000)


def test_what_is_not_there_is_file_not_found_with_a_hint(fs, store):
    fs.pipe("scratch@master/data.csv", b"")
    for path, said in {
        "scratch@mater/data.csv": "did you mean 'master'",
        "scrach@master/data.csv": "did you mean 'scratch'",
        "scratch/data.csv": "pfs://repo@branch/path",
        "scratch@master/none": "",
    }.items():
        assert not fs.exists(path)
        assert fs.find(path) == []
        for call in (fs.info, fs.cat_file, fs.open, fs.ls, fs.modified, fs.rm_file):
            with pytest.raises(FileNotFoundError) as caught:
                call(path)
            assert said in caught.value.hint
            assert str(store.path) in str(caught.value) or "scratch" in str(caught.value)


def test_what_cannot_be_written_says_why(fs, store):
    fs.pipe("scratch@master/f", b"1")
    with pytest.raises(pfslib.PathNotFoundError):
        fs.pipe("missing@master/f", b"1")
    with pytest.raises(ValueError, match="branch name"):
        fs.pipe("scratch@master^/f", b"1")
    with pytest.raises(pfslib.CommitFinishedError):
        fs.pipe(f"scratch@{store.commit('scratch@master').id}/f", b"1")
    with pytest.raises(ValueError, match=r"mode 'r\+b'"):
        fs.open("scratch@master/f", "r+b")
    with pytest.raises(IsADirectoryError):
        fs.open("scratch@master", "rb")
    quick = PfsFileSystem(store, wait_s=0.01, skip_instance_cache=True)
    with store.repo("scratch").commit(), pytest.raises(pfslib.BranchBusyError):
        quick.pipe("scratch@master/f", b"1")


def test_exclusive_creation_holds_when_another_is_faster(fs):
    with pytest.raises(FileExistsError), fs.open("scratch@master/f", "xb") as late:
        late.write(b"late")
        fs.pipe("scratch@master/f", b"first")
    assert fs.cat("scratch@master/f") == b"first"


# --- which store -----------------------------------------------------------------------------


def test_the_store_is_the_one_named_or_near_or_open(tmp_path, monkeypatch):
    monkeypatch.delenv("PFS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    gc.collect()  # what other tests have opened and forgotten

    def meant() -> str:
        return fsspec.filesystem("pfs").ls("", detail=False)[0].partition("@")[0]

    def make(path: str) -> pfslib.Store:
        store = pfslib.init(path)
        with store.create_repo(path.strip(".")).commit() as commit:
            commit.put_file("/f", path)
        return store

    with pytest.raises(FileNotFoundError, match="PFS_STORE is not set") as caught:
        fsspec.filesystem("pfs")
    assert "storage_options" in caught.value.hint
    with make("opened"):
        assert meant() == "opened", "the only one that this process has open"
        with make("second"), pytest.raises(FileNotFoundError, match="stores open"):
            fsspec.filesystem("pfs").ls("")
        make(".pfs").close()
        assert meant() == "pfs", "the nearest"
        make("named").close()
        monkeypatch.setenv("PFS_STORE", "named")
        assert meant() == "named", "that of the environment"
        given = fsspec.filesystem("pfs", store="second").ls("", detail=False)
        assert given == ["second@master"], "the one given"
        with pytest.raises(pfslib.StoreNotFoundError):
            fsspec.filesystem("pfs", store=str(tmp_path / "none"))
    PfsFileSystem.clear_instance_cache()


def test_it_travels_with_its_store(fs, store, monkeypatch, tmp_path):
    monkeypatch.setenv("PFS_STORE", str(store.path))
    fs.pipe("scratch@master/f", b"1")
    pickled = pickle.dumps([fsspec.filesystem("pfs"), PfsFileSystem(store)])
    code = f"import pickle; print([fs.cat('scratch@master/f') for fs in pickle.loads({pickled!r})])"
    environ = {name: text for name, text in os.environ.items() if name != "PFS_STORE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[b'1', b'1']", done.stderr
    PfsFileSystem.clear_instance_cache()


def test_the_entry_point_is_installed():
    assert fsspec.get_filesystem_class("pfs") is PfsFileSystem


# --- what is there ---------------------------------------------------------------------------


def test_info_says_what_is_known_without_reading(fs, store):
    fs.pipe({"scratch@master/d/f": noise(300_000), "scratch@master/d/g": b"12"})
    commit = store.commit("scratch@master")
    info = fs.info("scratch@master/d/f")
    assert info == {
        "name": "scratch@master/d/f",
        "type": "file",
        "size": 300_000,
        "mtime": info["mtime"],
        "digest": commit.inspect_file("/d/f").digest,
        "commit": commit.id,
        "executable": False,
    }
    assert info in fs.ls("scratch@master/d")
    top = fs.info("scratch@master/d")
    assert (top["type"], top["size"], top["total_size"], top["total_files"]) == (
        "directory", 0, 300_002, 2
    )  # fmt: skip
    assert fs.du("scratch@master") == 300_002
    assert fs.created("scratch@master/d/f") == commit.finished
    assert fs.modified("scratch@master/d/f").timestamp() == info["mtime"]


def test_ukey_follows_the_content(fs):
    fs.pipe({"scratch@master/f": b"1", "scratch@master/g": b"1"})
    before = fs.ukey("scratch@master/f")
    assert before == fs.ukey("scratch@master/g")
    fs.pipe("scratch@master/f", b"2")
    assert fs.ukey("scratch@master/f") != before
    assert fs.checksum("scratch@master/g") == int(before, 16)


def test_links_and_modes_go_out_and_in(fs, store, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "run").write_text("true")
    (source / "run").chmod(0o755)
    with store.repo("scratch").commit() as commit:
        (source / "link").symlink_to("run")
        commit.put_file("/", source)
    assert fs.info("scratch@master/link")["type"] == "link"
    assert fs.cat("scratch@master/link") == b"run"
    fs.get("scratch@master/", str(tmp_path / "out/"), recursive=True)
    assert (tmp_path / "out/run").stat().st_mode & 0o111
    fs.put(str(source / "run"), "scratch@master/again")
    assert fs.info("scratch@master/again")["executable"]


@pytest.mark.parametrize(
    "span", [(None, None), (5, 10), (-10, None), (None, -5), (0, 0), (250_000, 400_000), (9, 3)]
)
def test_ranges_are_those_of_a_slice(fs, span):
    data = noise(300_000)
    fs.pipe("scratch@master/f", data)
    assert fs.cat_file("scratch@master/f", *span) == data[slice(*span)]


def test_several_ranges_and_a_range_read_little(fs, store, monkeypatch):
    data = noise(4_000_000)
    fs.pipe("scratch@master/f", data)
    assert fs.cat_ranges(["scratch@master/f"] * 2, [0, 10], [5, 20]) == [data[:5], data[10:20]]
    fresh = PfsFileSystem(store, skip_instance_cache=True)
    recording = fresh._store.kv = RecordingKV(fresh._store.kv)
    assert fresh.cat_file("scratch@master/f", 2_000_000, 2_000_010) == data[2_000_000:2_000_010]
    assert 0 < recording.read_calls[Table.CHUNKS] <= 4, "of about 60"


def test_callbacks_are_told_the_bytes(fs, tmp_path):
    class Told(Callback):
        def branch_coro(self, fn):
            raise NotImplementedError

        def branched(self, path_1, path_2, **options):
            children.append(Callback())
            return children[-1]

    children: list[Callback] = []
    (tmp_path / "f").write_bytes(noise(100_000))
    fs.put([str(tmp_path / "f")], ["scratch@master/f"], callback=Told())
    fs.get(["scratch@master/f"], [str(tmp_path / "g")], callback=Told())
    assert [(child.size, child.value) for child in children] == [(100_000, 100_000)] * 2
    assert (tmp_path / "g").read_bytes() == noise(100_000)


def test_large_files_wait_on_disk_and_can_be_sought_while_written(fs):
    with fs.open("scratch@master/f", "wb") as file:
        for part in range(20):
            file.write(noise(1 << 20, part))
        file.seek(0)
        file.write(b"head")
        assert file.tell() == 4
    assert fs.info("scratch@master/f")["size"] == 20 << 20
    assert fs.cat_file("scratch@master/f", 0, 6) == b"head" + noise(1 << 20, 0)[4:6]
    with fs.open("scratch@master/f", "ab") as file:
        file.write(b"tail")
    assert fs.tail("scratch@master/f", 4) == b"tail"


def test_a_file_being_written_moves_and_grows_as_others_do(fs):
    with fs.open("scratch@master/f", "wb") as file:
        file.write(b"1234")
        file.seek(2)
        assert file.truncate(8) == 8
        assert file.tell() == 2
        file.write(b"x")
    assert fs.cat("scratch@master/f") == b"12x4\0\0\0\0"
    with fs.open("scratch@master/f", "ab") as file:
        assert file.tell() == 8
        file.seek(0)
        assert file.write(b"end") == 3
        assert file.tell() == 11
        assert file.seek(-1, 2) == 10
        file.truncate()
    assert fs.cat("scratch@master/f") == b"12x4\0\0\0\0en"
    with fs.open("scratch@master/new", "a") as file:
        assert file.tell() == 0
        file.write("1")
    with fs.open("scratch@master/new", "a") as file:
        assert file.tell() == 1
    with fs.open("scratch@master/large", "wb") as file:
        file.truncate(20 << 20)
    assert fs.size("scratch@master/large") == 20 << 20


def test_text_and_compression_are_those_of_fsspec(fs):
    with fs.open("scratch@master/t.txt", "w", encoding="latin-1", newline="\r\n") as file:
        file.write("ä\n")
    assert fs.cat("scratch@master/t.txt") == b"\xe4\r\n"
    with fs.open("scratch@master/t.gz", "wt", compression="infer") as file:
        file.write("packed")
    with fs.open("scratch@master/u.txt", "w", foo=1) as file:
        assert file.encoding == "utf-8"
    with fs.open("scratch@master/u.txt", "r") as file:
        assert file.encoding == "utf-8"
    with (
        pytest.raises(ZeroDivisionError),
        fs.open("scratch@master/half.gz", "w", compression="gzip") as file,
    ):
        file.write("half")
        raise ZeroDivisionError
    assert not fs.exists("scratch@master/half.gz")
    with fs.transaction:
        fs.open("scratch@master/u.gz", "wt", compression="gzip").write("packed, too")
    assert gzip.decompress(fs.cat("scratch@master/u.gz")) == b"packed, too"
    with fs.open("scratch@master/t.gz", "rt", compression="infer") as file:
        assert file.read() == "packed"


def test_the_top_lists_the_branches(fs, store):
    fs.pipe({"scratch@master/a/f": b"", "scratch@dev/f": b""})
    assert fs.ls("", detail=False) == ["scratch@dev", "scratch@master"]
    assert fs.glob("pfs://*/**/f") == ["scratch@dev/f", "scratch@master/a/f"]
    assert [row[0] for row in fs.walk("scratch@master")] == ["scratch@master", "scratch@master/a"]


def test_chained_urls_and_mappers(fs, by_url):
    fs.pipe("scratch@master/d/f", b"1")
    with fsspec.open("simplecache::pfs://scratch@master/d/f") as file:
        assert file.read() == b"1"
    below = fsspec.filesystem("dir", path="scratch@master/d", fs=fs)
    assert below.cat("f") == b"1"
    mapper = fsspec.get_mapper("pfs://scratch@master/d")
    assert dict(mapper) == {"f": b"1"}
    mapper["g"] = b"2"
    del mapper["f"]
    with pytest.raises(KeyError):
        mapper["f"]
    assert fs.ls("scratch@master/d", detail=False) == ["scratch@master/d/g"]


def test_writing_to_a_repo_that_is_not_there_says_how_to_make_it(fs):
    with pytest.raises(FileNotFoundError, match="repo scratsh not found") as caught:
        fs.pipe("scratsh@master/f", b"1")
    assert caught.value.hint == "did you mean 'scratch'?"
