"""A branch as ordinary files: edited by any program, committed as one, never lost."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pfslib
from pfslib.api import copy_removal, mapped_writes, working_copy
from pfslib.api.copy_origin import ASIDE, CLAIM, MARKER, list_copies, read_origin
from pfslib.api.copy_removal import alone, edited
from pfslib.cli.mounts import list_mount, unmount
from pfslib.cli.session import Session
from pfslib.cli.working_copies import commit as commit_copy
from pfslib.kv.layout import COPIES_FOLDER
from pfslib.kv.syncing import sync_file_system
from pfslib.trees import hoststats


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pfslib.Store]:
    with pfslib.init(tmp_path / "store") as store:
        with store.create_repo("r").commit() as commit:
            commit.put_file("/keep", "kept")
            commit.put_file("/change", "old")
            commit.put_file("/remove", "gone soon")
            commit.put_file("/folder/a", "a")
            commit.put_file("/folder/b", "b")
            commit.put_file("/to_folder", "file")
            commit.put_file("/to_file/x", "x")
        yield store


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    path = tmp_path / "copy"
    path.mkdir()
    return path


def contents(commit: pfslib.Commit) -> dict[str, bytes]:
    return {info.path: commit.get_file(info.path) for info in commit.walk() if info.kind == "file"}


def edit(copy: Path) -> dict[str, bytes]:
    """Every kind of change; what a commit should hold then."""
    (copy / "change").write_text("new")
    (copy / "remove").unlink()
    (copy / "folder/b").rename(copy / "moved")
    (copy / "to_folder").unlink()
    (copy / "to_folder").mkdir()
    (copy / "to_folder/y").write_text("y")
    (copy / "to_file/x").unlink()
    (copy / "to_file").rmdir()
    (copy / "to_file").write_text("now a file")
    (copy / "added").write_bytes(b"\0" * 100_000)
    (copy / os.fsdecode(b"\xff")).write_text("odd")
    return {
        "/keep": b"kept",
        "/change": b"new",
        "/folder/a": b"a",
        "/moved": b"b",
        "/to_folder/y": b"y",
        "/to_file": b"now a file",
        "/added": b"\0" * 100_000,
        "/\udcff": b"odd",
    }


def test_all_changes_become_one_commit(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    before = store.commit("r@master")
    assert working.commit() is None
    expected = edit(copy)
    made = working.commit("why")
    assert contents(made) == expected
    assert (made.message, made.parent()) == ("why", before)
    assert working.commit() is None
    (copy / "added").unlink()
    assert contents(working.commit()) == {k: v for k, v in expected.items() if k != "/added"}
    assert not store.fsck().problems


def test_links_and_modes(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    (copy / "keep").chmod(0o755)
    (copy / "link").symlink_to("folder")
    made = working.commit()
    assert made.inspect_file("/keep").executable
    assert made.inspect_file("/link").kind == "symlink"


def test_unmount_commits_and_leaves_the_directory_empty(store: pfslib.Store, copy: Path) -> None:
    with store.repo("r").working_copy(copy) as path:
        expected = edit(path)
    assert contents(store.commit("r@master")) == expected
    assert list(copy.iterdir()) == []


def test_an_exception_keeps_the_edits(store: pfslib.Store, copy: Path) -> None:
    before = store.commit("r@master")
    expected = {}
    with contextlib.suppress(KeyboardInterrupt), store.repo("r").working_copy(copy) as path:
        expected = edit(path)
        raise KeyboardInterrupt
    assert store.commit("r@master") == before
    assert contents(pfslib.WorkingCopy(store, copy).commit()) == expected


def test_a_directory_of_a_commit(store: pfslib.Store, copy: Path) -> None:
    with store.repo("r").working_copy(copy, below="/folder") as path:
        assert sorted(entry.name for entry in path.iterdir()) == [MARKER, "a", "b"]
        (path / "a").unlink()
        (path / "c").write_text("c")
    found = contents(store.commit("r@master"))
    assert {name for name in found if name.startswith("/folder")} == {"/folder/b", "/folder/c"}
    assert found["/keep"] == b"kept"


def test_a_branch_is_begun_on_purpose(store: pfslib.Store, copy: Path) -> None:
    with store.repo("r").working_copy(copy, "fresh", new=True) as path:
        (path / "first").write_text("1")
    assert contents(store.commit("r@fresh")) == {"/first": b"1"}
    with pytest.raises(pfslib.AlreadyExistsError, match="branch fresh of repo r exists"):
        store.repo("r").working_copy(copy, "fresh", new=True)
    with store.create_repo("none-yet").working_copy(copy) as path:
        (path / "first").write_text("2")
    assert contents(store.commit("none-yet@master")) == {"/first": b"2"}


def test_only_a_branch_is_edited(store: pfslib.Store, copy: Path) -> None:
    head = store.commit("r@master").id
    with store.repo("r").commit() as commit:
        commit.put_file("/more", "")
    for name in (head, head[:8], "master^", "master/0"):
        with pytest.raises(pfslib.InvalidInputError, match=f"commit {head} of repo r") as caught:
            store.repo("r").working_copy(copy, name)
        assert f"pfs create-branch r NAME --head {name}" in caught.value.hint
    with pytest.raises(pfslib.BranchNotFoundError, match="branch mater not found") as missing:
        store.repo("r").working_copy(copy, "mater")
    assert missing.value.hint == "did you mean 'master'? `pfs mount -w --new` begins a branch"
    for name in ("0" * 32, "no/name", "master^^^"):
        with pytest.raises((pfslib.InvalidReferenceError, pfslib.CommitNotFoundError)):
            store.repo("r").working_copy(copy, name, new=True)
    assert list(copy.iterdir()) == []
    assert list_copies(store.path) == []


def test_deleting_everything(store: pfslib.Store, copy: Path) -> None:
    with store.repo("r").working_copy(copy) as path:
        subprocess.run("rm -r *", shell=True, cwd=path, check=True)
    assert contents(store.commit("r@master")) == {}


def test_a_conflict_keeps_both_sides(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    base = store.commit("r@master")
    expected = edit(copy)
    with store.repo("r").commit() as commit:
        commit.put_file("/change", "theirs")
    theirs = store.commit("r@master")
    for attempt in (working.commit, working.unmount):
        with pytest.raises(pfslib.ConflictError, match="has moved on") as caught:
            attempt()
        assert "--branch" in caught.value.hint
    assert store.commit("r@master") == theirs
    mine = working.commit(branch="mine")
    assert contents(mine) == expected
    assert mine.parent() == base
    assert store.commit("r@master") == theirs
    (copy / "more").write_text("more")
    working.unmount()
    assert contents(store.commit("r@mine")) == {**expected, "/more": b"more"}


def test_a_base_that_is_gone_keeps_both_sides(store: pfslib.Store, copy: Path) -> None:
    """Somebody has dropped what the files were copied from."""
    working = store.repo("r").working_copy(copy)
    expected = edit(copy)
    store.repo("r").drop_commit("master")
    with store.repo("r").commit() as commit:
        commit.put_file("/change", "theirs")
    store.gc()
    with pytest.raises(pfslib.ConflictError, match="has moved on"):
        working.commit()
    assert contents(working.commit(branch="mine")) == expected
    assert contents(store.commit("r@master")) == {"/change": b"theirs"}


def test_what_is_no_change_makes_no_commit(store: pfslib.Store, copy: Path) -> None:
    head = store.commit("r@master")
    with store.repo("r").working_copy(copy) as path:
        (path / "keep").touch()
        (path / "change").write_text("other")
        (path / "change").write_text("old")
        (path / "empty").mkdir()
        (path / "remove").rename(path / "away")
        (path / "away").rename(path / "remove")
    assert store.commit("r@master") == head


def test_the_files_are_on_the_disk_before_they_count(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a power loss leaves of them would be committed as somebody's edits."""
    seen = []

    def look_and_sync(path: Path) -> None:
        seen.append({entry.name for entry in edited(path)})
        sync_file_system(path)

    monkeypatch.setattr(working_copy, "sync_file_system", look_and_sync)
    store.repo("r").working_copy(copy)
    assert seen == [{entry.name for entry in copy.iterdir()} - {MARKER}]


def test_of_two_made_in_one_directory_there_is_one(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = []

    def second() -> None:
        with pytest.raises(pfslib.AlreadyExistsError, match="not empty") as caught:
            store.repo("r").working_copy(copy)
        refusals.append(caught.value)

    edit_when(monkeypatch, "_export", second)
    working = store.repo("r").working_copy(copy)
    expected = edit(copy)
    second()
    assert len(refusals) == 2
    assert contents(working.commit()) == expected
    assert sorted(entry.name for entry in copy.iterdir() if entry not in edited(copy)) == [MARKER]


def test_one_that_cannot_be_made_removes_what_it_has_written(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit_and_fail(directory: Path) -> None:
        (directory / "precious").write_text("of somebody else")
        (directory / "folder/a").write_text("A")
        raise OSError(errno.EIO, "no disk")

    monkeypatch.setattr(working_copy, "sync_file_system", edit_and_fail)
    with pytest.raises(OSError, match="no disk"):
        store.repo("r").working_copy(copy)
    left = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert left == {"precious", "folder/a"}


def test_a_branch_that_exists_is_not_taken_for_a_conflict(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    with pytest.raises(pfslib.AlreadyExistsError):
        working.commit(branch="master")


def test_what_cannot_be_stored_keeps_everything(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    before = store.commit("r@master")
    edit(copy)
    os.mkfifo(copy / "pipe")
    with pytest.raises(pfslib.UnsupportedFileError):
        working.unmount()
    assert store.commit("r@master") == before
    assert (copy / "change").read_text() == "new"


@pytest.mark.parametrize("name", [f"{MARKER}~", ASIDE, f"{MARKER}-of-mine"])
def test_names_that_are_for_markers(store: pfslib.Store, copy: Path, name: str) -> None:
    working = store.repo("r").working_copy(copy)
    mine = copy / name
    mine.touch() if name == ASIDE else mine.mkdir()
    for verb in (working.commit, working.unmount, working.discard):
        with pytest.raises(pfslib.UnsupportedFileError, match=f"{name} cannot be") as caught:
            verb()
    assert caught.value.hint == "rename it"
    mine.rename(copy / "mine")
    (copy / CLAIM).touch()  # of somebody killed when all was made
    assert working.commit() is None or name == ASIDE
    working.unmount()
    with store.repo("r").commit() as commit:
        commit.put_file(f"/{name}", "")
    shutil.rmtree(copy)
    copy.mkdir()
    with pytest.raises(pfslib.AlreadyExistsError, match=f"has a file {name}, a name that marks"):
        store.repo("r").working_copy(copy)
    assert list(copy.iterdir()) == []


def test_discard(store: pfslib.Store, copy: Path) -> None:
    before = store.commit("r@master")
    working = store.repo("r").working_copy(copy)
    edit(copy)
    working.discard()
    assert list(copy.iterdir()) == []
    assert store.commit("r@master") == before


def test_a_discard_cut_short_is_never_committed(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise PermissionError(path)

    before = store.commit("r@master")
    working = store.repo("r").working_copy(copy)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(PermissionError):
            working.discard()
    working = pfslib.WorkingCopy(store, copy)
    with pytest.raises(pfslib.StateError, match="discarded already") as caught:
        working.commit()
    assert "pfs unmount" in caught.value.hint
    assert working.unmount() is None
    assert list(copy.iterdir()) == []
    assert store.commit("r@master") == before


@pytest.mark.mount
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tmpfs")
def test_a_discard_spares_what_is_mounted_inside(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    inside = copy / "to_folder_of_others/inside"
    inside.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", inside], check=True)
    try:
        (inside / "precious").touch()
        with pytest.raises(pfslib.StateError, match=f"is mounted on {inside}"):
            working.discard()
        assert (inside / "precious").exists()
        assert (copy / "keep").exists()
    finally:
        subprocess.run(["umount", inside], check=True)
    working.discard()
    assert list(copy.iterdir()) == []


@pytest.mark.mount
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can bind a directory")
@pytest.mark.parametrize("verb", ["unmount", "discard"])
def test_what_is_bound_inside_is_spared(
    store: pfslib.Store, copy: Path, tmp_path: Path, verb: str
) -> None:
    """It is on the same device as the working copy."""
    working = store.repo("r").working_copy(copy)
    outside, inside = tmp_path / "outside", copy / "folder/inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "precious").touch()
    subprocess.run(["mount", "--bind", outside, inside], check=True)
    try:
        with pytest.raises(pfslib.StateError, match=f"is mounted on {inside}"):
            getattr(working, verb)()
        assert (outside / "precious").exists()
        assert (copy / "keep").read_text() == "kept"
    finally:
        subprocess.run(["umount", inside], check=True)


def edit_when(monkeypatch: pytest.MonkeyPatch, name: str, edit: Callable[[], object]) -> None:
    """Edit, once, right before a function of the end of a working copy is called."""
    edits = [edit]
    step = getattr(working_copy, name)

    def edit_before(*args: object, **named: object) -> object:
        if edits:
            edits.pop()()
        return step(*args, **named)

    monkeypatch.setattr(working_copy, name, edit_before)


def test_an_edit_after_the_first_commit_is_committed_too(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = store.repo("r").working_copy(copy)
    edit_when(monkeypatch, "put_aside", lambda: (copy / "keep").write_text("KEPT"))
    working.unmount()
    assert contents(store.commit("r@master"))["/keep"] == b"KEPT"
    assert list(copy.iterdir()) == []


@pytest.mark.parametrize("path", ["keep", "folder/a"])
def test_an_edit_of_the_last_moment_is_left_lying(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """By a program that had the file open, and of the same size."""
    working = store.repo("r").working_copy(copy)
    before = contents(store.commit("r@master"))
    with (copy / path).open("r+b", buffering=0) as file:
        edit_when(monkeypatch, "remove_held", lambda: file.write(b"K"))
        with pytest.raises(pfslib.StateError, match=f"are kept: {ASIDE}/") as caught:
            working.unmount()
    assert "move them" in caught.value.hint
    left = [entry for entry in copy.rglob("*") if entry.is_file()]
    assert left == [copy / ASIDE / path]
    assert left[0].read_bytes()[:1] == b"K"
    with pytest.raises(pfslib.AlreadyExistsError, match="not empty"):
        store.repo("r").working_copy(copy)
    assert contents(store.commit("r@master")) == before


@pytest.mark.parametrize("verb", ["unmount", "discard"])
def test_what_is_made_once_the_removal_began_is_left_lying(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    working = store.repo("r").working_copy(copy)
    edit_when(monkeypatch, "check_nothing_mounted", lambda: (copy / "keep").write_text("new"))
    with pytest.raises(pfslib.StateError, match="are kept: keep"):
        getattr(working, verb)()
    assert [(entry.name, entry.read_text()) for entry in copy.iterdir()] == [("keep", "new")]


def test_times_of_whole_seconds_hide_no_edit(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same size, and with the times that it had when it was committed."""
    working = store.repo("r").working_copy(copy)
    file = copy / "folder/a"
    then = file.stat()

    def save_again() -> None:
        file.write_text("A")
        os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))

    edit_when(monkeypatch, "put_aside", save_again)
    working.unmount()
    assert contents(store.commit("r@master"))["/folder/a"] == b"A"


def test_a_removal_cut_short_is_finished_and_never_committed(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short() -> None:
        (copy / ASIDE / "keep").unlink()
        raise KeyboardInterrupt

    working = store.repo("r").working_copy(copy)
    expected = edit(copy)
    edit_when(monkeypatch, "remove_held", cut_short)
    with pytest.raises(KeyboardInterrupt):
        working.unmount()
    working = pfslib.WorkingCopy(store, copy)
    with pytest.raises(pfslib.StateError, match="committed and removed already"):
        working.commit()
    assert working.unmount() is None
    assert list(copy.iterdir()) == []
    assert contents(store.commit("r@master")) == expected


def test_files_that_change_all_the_time_stay(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = store.repo("r").working_copy(copy)
    put = working._put

    log = copy / "log"
    os.close(os.open(log, os.O_CREAT))
    held = log.open("a", buffering=1)

    def write_and_put(*args: object, **named: object) -> None:
        print("line", file=held)
        put(*args, **named)

    monkeypatch.setattr(working, "_put", write_and_put)
    with held, pytest.raises(pfslib.BusyError, match="are being changed"):
        working.unmount()
    assert contents(store.commit("r@master"))["/log"] == log.read_bytes()
    assert (copy / "keep").read_text() == "kept"
    assert not (copy / ASIDE).exists()


def test_names_that_vanish_do_not_stop_the_end(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = store.repo("r").working_copy(copy)
    lstat = Path.lstat

    def vanish(path: Path) -> os.stat_result:
        if path.name == "b" and path.parent.parent == copy / ASIDE:
            path.unlink()
        return lstat(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", vanish)
        working.unmount()
    assert list(copy.iterdir()) == []


def test_what_is_long_committed_is_not_read_again_to_be_removed(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = store.repo("r").working_copy(copy)
    stream, compared = pfslib.Commit.stream_file, []

    def count(commit: pfslib.Commit, path: str) -> Iterator[bytes]:
        compared.append(path)
        return stream(commit, path)

    monkeypatch.setattr(copy_removal, "RACY_NS", 0)
    monkeypatch.setattr(pfslib.Commit, "stream_file", count)
    time.sleep(0.02)  # longer than a tick of the clock for files
    working.unmount()
    assert sorted(compared) == ["/change", "/keep", "/remove", "/to_folder"]  # moving shows


def test_one_at_a_time(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    with alone(copy):
        for verb in (working.commit, working.unmount, working.discard):
            with pytest.raises(pfslib.BusyError, match="being committed or unmounted"):
                verb()


@pytest.fixture(params=["disk", "memory", "overlay"])
def copy_anywhere(request: pytest.FixtureRequest, copy: Path, tmp_path: Path) -> Iterator[Path]:
    """On an overlay, whose own device is not in memory but whose files are."""
    if request.param == "disk":
        yield copy
        return
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    with contextlib.ExitStack() as mounts:

        def mount(*words: object, on: Path) -> None:
            subprocess.run(["mount", "-t", *words, on], check=True)
            mounts.callback(subprocess.run, ["umount", on], check=True)

        if request.param == "memory":
            mount("tmpfs", "none", on=copy)
        else:
            layers = tmp_path / "layers"
            layers.mkdir()
            mount("tmpfs", "none", on=layers)
            for name in ("lower", "upper", "work"):
                (layers / name).mkdir()
            shown = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
            mount("overlay", "none", "-o", shown, on=copy)
        yield copy


@pytest.mark.mount
def test_writes_through_a_memory_map_are_committed(
    store: pfslib.Store, copy_anywhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They change no time of the file while the kernel has not written the page back."""
    monkeypatch.setattr(hoststats, "RACY_NS", 10**8)  # else the test has to wait for seconds
    working = store.repo("r").working_copy(copy_anywhere)
    mapped = copy_anywhere / "folder/mapped"
    mapped.write_bytes(b"0" * 8192)
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = b"1"
        time.sleep(0.3)
        assert contents(working.commit())["/folder/mapped"][:2] == b"10"
        memory[1:2] = b"2"
        working.unmount()
    assert contents(store.commit("r@master"))["/folder/mapped"][:2] == b"12"


def test_a_page_written_while_it_commits_is_seen_by_the_next_commit(
    store: pfslib.Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays dirty, so that its next change has no time: none after the sync is trusted."""
    monkeypatch.setattr(hoststats, "RACY_NS", 10**8)
    working = store.repo("r").working_copy(copy)
    mapped = copy / "mapped"
    mapped.write_bytes(b"0" * 8192)
    time.sleep(0.2)
    sync = mapped_writes._show_mapped_writes
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:

        def sync_and_write(path: Path) -> bool:
            done = sync(path)
            memory[0:1] = b"1"
            time.sleep(0.2)  # a long commit: what was written is no longer new when it is read
            return done

        with monkeypatch.context() as patch:
            patch.setattr(mapped_writes, "_show_mapped_writes", sync_and_write)
            assert contents(working.commit())["/mapped"][:2] == b"10"
        memory[1:2] = b"2"
        assert contents(working.commit())["/mapped"][:2] == b"12"


@pytest.mark.mount
def test_on_a_mount_point_it_is_taken_away_like_anywhere(
    store: pfslib.Store, copy_anywhere: Path
) -> None:
    store.repo("r").working_copy(copy_anywhere)
    (copy_anywhere / "new").write_text("1")
    done = CliRunner().invoke(unmount, [str(copy_anywhere), "--no-run"], obj=Session())
    assert done.exit_code == 0, done.output
    assert contents(store.commit("r@master"))["/new"] == b"1"
    assert list(copy_anywhere.iterdir()) == []


@pytest.mark.mount
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tmpfs")
def test_what_ext4_has_in_its_top_directory_is_spared(store: pfslib.Store, copy: Path) -> None:
    found = copy / "lost+found"
    found.mkdir()
    with pytest.raises(pfslib.AlreadyExistsError, match="not empty"):
        store.repo("r").working_copy(copy)  # no file system's top
    subprocess.run(["mount", "-t", "tmpfs", "none", copy], check=True)
    try:
        found.mkdir(mode=0o700)
        with store.repo("r").working_copy(copy) as path:
            expected = edit(path)
        assert list(copy.iterdir()) == [found]
        assert contents(store.commit("r@master")) == expected
        (found / "saved").touch()
        with pytest.raises(pfslib.AlreadyExistsError, match="not empty"):
            store.repo("r").working_copy(copy)
    finally:
        subprocess.run(["umount", copy], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_marker_of_a_stranger_names_no_store(store: pfslib.Store, copy: Path) -> None:
    store.repo("r").working_copy(copy)
    edit(copy)
    os.chown(copy / MARKER, 65534, 65534)
    before = store.commit("r@master")
    for verb in (unmount, commit_copy):
        done = CliRunner().invoke(verb, [str(copy), "--no-run"], obj=Session())
        assert isinstance(done.exception, pfslib.InvalidInputError)
        assert done.exception.hint == "`--store` names the store that you mean"
    assert store.commit("r@master") == before
    named = Session(str(store.path))
    assert CliRunner().invoke(unmount, [str(copy), "--no-run"], obj=named).exit_code == 0
    assert store.commit("r@master") != before


def test_it_is_listed_beside_mounts(store: pfslib.Store, copy: Path, tmp_path: Path) -> None:
    def listed() -> dict[Path, str]:
        return {path: origin.shown for path, origin in list_copies(store.path)}

    moved, second = tmp_path / "moved", tmp_path / "second"
    second.mkdir()
    working = store.repo("r").working_copy(copy)
    store.repo("r").working_copy(second, below="/folder")
    assert listed() == {copy: "r@master", second: "r@master:/folder"}
    table = CliRunner().invoke(list_mount, [], obj=Session(str(store.path))).output
    assert re.search(rf"^{copy} +r@master +working copy$", table, re.MULTILINE)
    working.unmount()
    second.rename(moved)
    assert listed() == {}
    pfslib.WorkingCopy(store, moved)
    assert listed() == {moved: "r@master:/folder"}
    lines = CliRunner().invoke(list_mount, [], obj=Session(str(store.path), as_json=True)).output
    expected = {"path": str(moved), "source": "pfs:r@master:/folder", "alive": True}
    assert {**expected, "state": "working copy", "writable": True} in map(
        json.loads, lines.splitlines()
    )
    shutil.rmtree(moved)
    assert listed() == {}
    assert list((store.path / COPIES_FOLDER).iterdir()) == []


def test_refusals(store: pfslib.Store, copy: Path, tmp_path: Path) -> None:
    (copy / "precious").touch()
    with pytest.raises(pfslib.AlreadyExistsError, match="not empty"):
        store.repo("r").working_copy(copy)
    for wrong, error in {
        tmp_path / "missing": FileNotFoundError,
        copy / "precious": NotADirectoryError,
    }.items():
        with pytest.raises(error) as caught:
            store.repo("r").working_copy(wrong)
        assert caught.value.filename == str(wrong)
    with pytest.raises(pfslib.NotFoundError, match="no working copy"):
        pfslib.WorkingCopy(store, copy)
    (copy / "precious").unlink()
    store.repo("r").working_copy(copy)
    (copy / "folder/inside").mkdir()
    with pytest.raises(pfslib.InvalidInputError, match=f"inside the working copy {copy}"):
        store.repo("r").working_copy(copy / "folder/inside")
    assert list((copy / "folder/inside").iterdir()) == []
    with pfslib.init(tmp_path / "other") as other, pytest.raises(pfslib.NotFoundError):
        pfslib.WorkingCopy(other, copy)
    (copy / MARKER).write_text("{")
    with pytest.raises(pfslib.CorruptionError):
        pfslib.WorkingCopy(store, copy)


CRASH = """
    import os, signal, sys
    import pfslib
    from pathlib import Path
    from pfslib.api import working_copy
    store = pfslib.open(sys.argv[1])
    copy = pfslib.WorkingCopy(store, Path(sys.argv[2]))
    def dying(function, at):
        count = [0]
        def call(*args, **named):
            count[0] += 1
            if count[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **named)
        return call
    verb, name, at = sys.argv[3:]
    owner = working_copy if name in ("write_origin", "put_aside") else pfslib.OpenCommit
    setattr(owner, name, dying(getattr(owner, name), int(at)))
    getattr(copy, verb)("once")
"""


@pytest.mark.parametrize(
    ("verb", "name", "at", "is_made"),
    [
        ("commit", "write_origin", 1, False),
        ("commit", "put_file", 1, False),
        ("commit", "finish", 1, False),
        ("commit", "write_origin", 2, True),
        ("unmount", "put_aside", 1, True),
        ("unmount", "write_origin", 3, True),
        ("unmount", "write_origin", 5, True),
    ],
)
def test_killed_while_it_commits(
    store: pfslib.Store, copy: Path, verb: str, name: str, at: int, is_made: bool
) -> None:
    """Before the commit, half way or right after it: there is one in the end, and it is whole."""
    before = contents(store.commit("r@master"))
    store.repo("r").working_copy(copy)
    expected = edit(copy)
    command = [sys.executable, "-c", textwrap.dedent(CRASH), store.path, copy, verb, name, str(at)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert contents(store.commit("r@master")) == (expected if is_made else before)
    working = pfslib.WorkingCopy(store, copy)
    made = working.commit("once")
    assert (made is None) == is_made
    assert contents(store.commit("r@master")) == expected
    assert len(list(store.repo("r").list_commit("master"))) == 2
    assert read_origin(copy).pending == ""


def test_killed_while_it_writes_the_marker(store: pfslib.Store, copy: Path) -> None:
    working = store.repo("r").working_copy(copy)
    expected = edit(copy)
    (copy / f"{MARKER}~").write_text("{")
    assert contents(working.commit()) == expected
    working.unmount()
    assert list(copy.iterdir()) == []


NAMES = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a"])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rounds=st.lists(
        st.dictionaries(NAMES, st.none() | st.binary(max_size=200), max_size=4), max_size=4
    )
)
def test_any_edits_in_any_order(
    store: pfslib.Store, tmp_path_factory: pytest.TempPathFactory, rounds: list[dict]
) -> None:
    copy = tmp_path_factory.mktemp("any")
    working = store.repo("r").working_copy(copy)
    for edits in rounds:
        for name, content in edits.items():
            path = copy / name
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        working.commit()
        there = {
            "/" + str(path.relative_to(copy)): path.read_bytes()
            for path in copy.rglob("*")
            if path.is_file() and path.name != MARKER
        }
        assert contents(store.commit("r@master")) == there


def test_the_command(store: pfslib.Store, copy: Path, pfs: list[str]) -> None:
    def run(*words: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*pfs, *words], capture_output=True, check=False)

    assert run("mount", "-w", "r@master", copy, "--store", store.path).returncode == 0
    (copy / "new").write_text("1")
    assert run("commit", copy, "-m", "by hand").returncode == 0
    assert store.commit("r@master").message == "by hand"
    (copy / "new").write_text("2")
    with store.repo("r").commit() as commit:
        commit.put_file("/other", "theirs")
    refused = run("unmount", copy)
    assert refused.returncode != 0
    assert b"--branch" in refused.stderr
    assert run("commit", copy, "--branch", "mine").returncode == 0
    assert run("unmount", copy).returncode == 0
    assert contents(store.commit("r@mine"))["/new"] == b"2"
    assert list(copy.iterdir()) == []
    run("mount", "-w", "r", "master", copy, "--store", store.path)
    (copy / "new").write_text("3")
    assert run("unmount", copy, "--discard").returncode == 0
    assert contents(store.commit("r@master"))["/new"] == b"1"


def test_options_that_mean_nothing_are_refused(
    store: pfslib.Store, copy: Path, pfs: list[str]
) -> None:
    def refusal(*words: object) -> bytes:
        done = subprocess.run([*pfs, *words], capture_output=True, check=False)
        assert done.returncode == 2
        return done.stderr

    making = ("mount", "-w", "--allow-other", "r@master", copy, "--store", store.path)
    assert b"--allow-other is not for -w" in refusal(*making)
    for second in ("r@other", "folder"):
        assert b"-w is for one branch" in refusal("mount", "-w", "r@master", second, *making[-3:])
    assert list(copy.iterdir()) == []
    assert b"--new is for -w" in refusal("mount", "--new", "r@master", copy, *making[-2:])
    assert b"--discard is for a working copy" in refusal("unmount", "--discard", copy)
    store.repo("r").working_copy(copy)
    assert b"--lazy is not for a working copy" in refusal("unmount", "--lazy", copy)
    assert (copy / "keep").exists()
