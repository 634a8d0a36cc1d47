"""T3: a store that has lost its last commits is refused, and never goes on without a word."""

from __future__ import annotations

import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.layout import ANCHOR_FILE, DATA_FILE

META_PAGES = 2 * 4096
META_USED = 152  # the rest of a meta page means nothing


def read_back(path: Path, **options: bool) -> list[str]:
    with pfslib.open(path, **options) as store:
        heads = [commit.get_file("/number").decode() for commit in store.list_commit("repo")]
        for name in ("/a", "/d/b", "/d/c")[: len(heads)]:
            store.get_file("repo", "master", name)
        return heads


def go_on(path: Path) -> None:
    with pfslib.open(path) as store:
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on")
        assert store.get_file("repo", "master", "/on") == b"on"


def test_an_older_data_file_is_refused_saying_how_many_changes_are_missing(filled: Path) -> None:
    older = (filled / DATA_FILE).read_bytes()
    go_on(filled)
    (filled / DATA_FILE).write_bytes(older)

    with pytest.raises(
        pfslib.CorruptionError, match="the last 2 changes of 9 are missing"
    ) as found:
        pfslib.open(filled)
    assert "accept_loss=True" in found.value.hint

    assert read_back(filled, accept_loss=True) == ["1", "2", "3"]
    assert read_back(filled) == ["1", "2", "3"]  # accepted once and for all
    go_on(filled)


def test_a_store_whose_anchor_is_gone_is_refused(filled: Path) -> None:
    (filled / ANCHOR_FILE).unlink()
    with pytest.raises(pfslib.CorruptionError, match="its file anchor is damaged"):
        pfslib.open(filled)
    assert read_back(filled, accept_loss=True) == ["1", "2", "3"]
    assert read_back(filled) == ["1", "2", "3"]


def test_an_anchor_that_is_behind_is_brought_up_to_date(filled: Path) -> None:
    """As after a power loss: the commit was synced, the anchor was not."""
    behind = (filled / ANCHOR_FILE).read_bytes()
    go_on(filled)
    newer = (filled / DATA_FILE).read_bytes()
    (filled / ANCHOR_FILE).write_bytes(behind)

    assert len(read_back_numbers(filled)) == 4
    go_on(filled)
    (filled / DATA_FILE).write_bytes(newer)
    with pytest.raises(pfslib.CorruptionError, match="the last 2 changes"):
        pfslib.open(filled)


def read_back_numbers(path: Path) -> list[str]:
    with pfslib.open(path) as store:
        return [commit.id for commit in store.list_commit("repo")]


@pytest.mark.parametrize("slot", [0, 4096])
def test_one_damaged_slot_of_the_anchor_is_survived_and_told(
    filled: Path, slot: int, caplog: pytest.LogCaptureFixture
) -> None:
    anchor = bytearray((filled / ANCHOR_FILE).read_bytes())
    anchor[slot + 9] ^= 4
    (filled / ANCHOR_FILE).write_bytes(anchor)
    with pfslib.open(filled) as store:
        said = [problem.what for problem in store.fsck()]
    # The slot that counts is written anew as the store is opened, which is logged.
    logged = [record.message for record in caplog.records]
    assert any("anchor" in line for line in (*said, *logged))
    assert read_back(filled) == ["1", "2", "3"]
    go_on(filled)
    with pfslib.open(filled) as store:
        assert store.fsck().clean


def test_a_commit_that_changes_nothing_is_not_counted(filled: Path) -> None:
    anchor = (filled / ANCHOR_FILE).read_bytes()
    with pfslib.open(filled) as store, store.kv.write():
        pass
    assert (filled / ANCHOR_FILE).read_bytes() == anchor


def test_every_flipped_bit_of_the_meta_pages_is_harmless_or_noticed(
    filled: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    """All bits of both pages that mean something, and some of those that do not.

    In a process of its own: LMDB might end it by a signal, which would fail the test too.
    """
    used = [at for page in (0, 4096) for at in range(page, page + META_USED)]
    bits = [at * 8 + bit for at in used for bit in range(8)]
    bits += random.Random(3).sample(range(META_PAGES * 8), 50)
    copy = tmp_path / "copy"
    shutil.copytree(filled, copy)

    outcomes = run(FLIP, filled, copy, *bits).splitlines()

    assert set(outcomes) <= {"right", "refused, and mended without a loss"}, outcomes
    assert len(outcomes) == len(bits)
    assert min(outcomes.count("right"), len(bits) - outcomes.count("right")) > 500


FLIP = """
import sys
from pathlib import Path
import pfslib
from pfslib.kv.layout import ANCHOR_FILE, DATA_FILE

def is_right(**options):
    with pfslib.open(copy, **options) as store:
        heads = [c.get_file("/number") for c in store.list_commit("repo")]
        store.get_file("repo", "master", "/d/b")
    return heads == [b"1", b"2", b"3"]

good, copy = Path(sys.argv[1]), Path(sys.argv[2])
data, anchor = (good / DATA_FILE).read_bytes(), (good / ANCHOR_FILE).read_bytes()
for bit in map(int, sys.argv[3:]):
    with (copy / DATA_FILE).open("wb") as file:
        file.write(data)
        file.seek(bit // 8)
        file.write(bytes([data[bit // 8] ^ 1 << bit % 8]))
    (copy / ANCHOR_FILE).write_bytes(anchor)
    try:
        print("right" if is_right() else f"bit {bit}: wrong", flush=True)
    except pfslib.CorruptionError as error:
        mended = is_right(accept_loss=True) and is_right()
        print(f"{'refused, and mended without a loss' if mended else bit}", flush=True)
    except Exception as error:
        print(f"bit {bit}: {error!r}", flush=True)
"""


@pytest.mark.parametrize("at", [10, 16, 19, 40])
@pytest.mark.parametrize("page", [0, 4096])
def test_what_lmdb_checks_in_its_meta_pages_is_put_back_by_recover(
    filled: Path, page: int, at: int
) -> None:
    with (filled / DATA_FILE).open("r+b") as file:
        intact = file.read()
        file.seek(page + at)
        file.write(bytes([intact[page + at] ^ 8]))
    with pytest.raises(pfslib.CorruptionError, match="a meta page of") as found:
        pfslib.open(filled)
    assert "pfs recover" in found.value.hint
    pfslib.recover(filled, check=lambda store: store.get_file("repo", "master", "/d/b"))
    assert (filled / DATA_FILE).read_bytes() == intact
    go_on(filled)


def test_a_damaged_meta_page_is_put_back_when_that_is_asked_for(filled: Path) -> None:
    intact = (filled / DATA_FILE).read_bytes()
    newer = max((0, 4096), key=lambda page: intact[page + 144 : page + 152][::-1])
    for at in (40, 100, 130, 140):  # page size, a root, the last page
        damaged = bytearray(intact)
        damaged[newer + at] ^= 0x10
        (filled / DATA_FILE).write_bytes(damaged)
        with pytest.raises(pfslib.CorruptionError, match="meta page") as found:
            pfslib.open(filled)
        assert "accept_loss=True" in found.value.hint
        assert read_back(filled, accept_loss=True) == ["1", "2", "3"], "nothing had to be lost"
        assert (filled / DATA_FILE).read_bytes() == intact
    go_on(filled)


def test_a_process_whose_lock_file_was_replaced_does_not_write_over_others(
    filled: Path, run: Callable[..., str]
) -> None:
    with pfslib.open(filled) as store:
        (filled / "lock.mdb").rename(filled / "lock.old")
        message = run(TRY_TO_COMMIT, filled)
        assert "files were replaced" in message
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on")
    assert len(read_back_numbers(filled)) == 4


TRY_TO_COMMIT = """
import sys
import pfslib
try:
    with pfslib.open(sys.argv[1]) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/lost", b"lost")
except pfslib.BusyError as error:
    print(error)
"""


def test_nothing_is_written_on_top_of_a_state_that_is_not_the_last(filled: Path) -> None:
    """What a process sees, and would overwrite, that LMDB's locks do not connect to the others."""
    with pfslib.open(filled) as store:
        ahead = filled / ANCHOR_FILE
        repo = store.repo("repo")
        anchor = ahead.read_bytes()
        ahead.write_bytes(_counted_on(anchor, 2))
        with pytest.raises(pfslib.CorruptionError, match="are missing"), repo.commit("master"):
            pass
        assert len(list(store.list_commit("repo"))) == 3, "reading goes on"
        ahead.write_bytes(anchor)
        with repo.commit("master") as commit:
            commit.put_file("/number", "4")


def _counted_on(anchor: bytes, more: int) -> bytes:
    """The anchor with a higher count."""
    slots = [bytearray(anchor[at : at + 176]) for at in (0, 4096)]
    newest = max(slots, key=lambda slot: int.from_bytes(slot[:8], "little"))
    newest[:8] = (int.from_bytes(newest[:8], "little") + more).to_bytes(8, "little")
    newest[-4:] = zlib.crc32(newest[:-4]).to_bytes(4, "little")
    return bytes(newest).ljust(4096, b"\0") + bytes(4096)
