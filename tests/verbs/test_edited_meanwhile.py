"""An open commit that others edit while it is read or put into: what was seen stays readable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

import pfslib
from pfslib import BusyError, OpenCommit, PathClashError, Repo, Store
from pfslib.testing.inventory import assert_clean, assert_exact, held
from pfslib.testing.steps import SteppedKV

BIG = Random(7).randbytes(3_000_000)
MANY = 2_500


@pytest.fixture
def opened(store: Store, repo: Repo, tmp_path: Path) -> OpenCommit:
    """A lasting commit of a large file, and of a directory larger than a page of a listing."""
    host = tmp_path / "host"
    host.mkdir()
    for number in range(MANY):
        (host / f"{number:05}").touch()
    made = repo.start_commit()
    made.put_file("/big", BIG)
    made.put_file("/many", host)
    made.inspect_file("/")
    return made


def replace_all(store: Store, commit: OpenCommit) -> None:
    """What another process may do: other contents, and all of the old ones collected."""
    with pfslib.open(store.path) as other:
        theirs = other.open_commit(commit.repo, commit.id)
        theirs.delete_glob("/*")
        theirs.put_file("/x", b"theirs")
        theirs.inspect_file("/x")
        other.gc()


def test_a_walk_goes_on_through_what_it_began_with(store: Store, opened: OpenCommit) -> None:
    rows = opened.walk("/")
    assert next(rows).path == "/big"
    replace_all(store, opened)
    assert len(list(rows)) == 1 + MANY
    assert [row.path for row in opened.walk("/")] == ["/x"]


def test_a_file_stays_readable(store: Store, opened: OpenCommit) -> None:
    file, blocks = opened.open("/big"), opened.stream_file("/big")
    assert file.read(10) + next(blocks)[:10] == BIG[:10] * 2
    replace_all(store, opened)
    assert file.read() == BIG[10:]
    assert sum(len(block) for block in blocks) == len(BIG) - (1 << 20)


def test_what_was_seen_of_a_block_stays_while_the_block_goes_on(store: Store, repo: Repo) -> None:
    with repo.commit() as block:
        block.put_file("/big", BIG)
        file = block.open("/big")
        assert file.read(10) == BIG[:10]
        block.put_file("/big", b"small")
        assert block.get_file("/big") == b"small"
        store.cache = type(store.cache)()
        store.gc()
        assert file.read() == BIG[10:]


def test_nothing_is_kept_for_a_reader_that_is_gone(store: Store, opened: OpenCommit) -> None:
    rows = opened.walk("/")
    next(rows)
    replace_all(store, opened)
    del rows
    opened.finish()
    store.gc()
    assert held(store.path) == 0
    assert_exact(store)


@contextmanager
def meanwhile(store: Store, step: int, what: Callable[[], None]) -> Iterator[SteppedKV]:
    """Let something happen before a transaction of the block."""

    def on_step(number: int) -> None:
        if number == step:
            what()

    plain = store.kv
    store.kv = stepped = SteppedKV(plain, on_step)
    try:
        yield stepped
    finally:
        store.kv = plain


@pytest.fixture
def host(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "d").mkdir(parents=True)
    fill(made, 0)
    return made


def fill(host: Path, version: int) -> None:
    for number in range(50):
        (host / "d" / f"{number:02}").write_bytes(b"%d of %d" % (number, version))


@pytest.mark.parametrize("few", [False, True])
def test_a_tree_put_beside_others_edits_and_gc(
    store: Store, repo: Repo, host: Path, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever they come: theirs is there, and the whole tree unless theirs came last."""
    if few:
        keep_few_in_memory(monkeypatch)
    mine = repo.start_commit()
    step = 1
    while True:
        with meanwhile(store, step, lambda: replace_all(store, mine)) as stepped:
            fill(host, step)
            store.open_commit(mine.repo, mine.id).put_file("/", host)
            if stepped.steps <= step:
                break
        found = [row.path for row in mine.walk("/")]
        assert found == ["/x"] if len(found) == 1 else len(found) == 52
        assert found[-1] == "/x"
        step += 1
    assert step > 5
    assert_clean(store)


def keep_few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pfslib.trees.spool.MEMORY_MAX", "pfslib.api.editing.MEMORY_MAX"):
        monkeypatch.setattr(name, 20)


# --- more edits than are held in memory --------------------------------------------------------


@pytest.fixture(params=["with", "lasting"])
def taking(request: pytest.FixtureRequest, repo: Repo) -> OpenCommit:
    return repo.commit() if request.param == "with" else repo.start_commit()


def test_a_large_tree_put_is_all_or_nothing(
    store: Store, taking: OpenCommit, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last edit does not fit."""
    keep_few_in_memory(monkeypatch)
    (host / "z").write_bytes(b"a file")
    taking.put_file("/z/inner", b"x")
    with pytest.raises((PathClashError, IsADirectoryError)):
        taking.put_file("/", host, append=True)
    assert [row.path for row in taking.walk("/")] == ["/z", "/z/inner"]
    taking.delete_file("/z")
    taking.put_file("/y", b"y")
    taking.put_file("/", host, append=True)
    taking.put_file("/", host, append=True)
    made = taking.finish()
    assert made is not None
    assert made.files == 52
    assert (made.get_file("/y"), made.get_file("/z")) == (b"y", b"a file" * 2)
    store.gc()
    assert_exact(store)
    assert_clean(store)


def test_no_crash_leaves_a_part_of_a_large_tree_put(
    store: Store, repo: Repo, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each of its transactions another process sees all of the files, or none."""
    keep_few_in_memory(monkeypatch)
    mine, seen = repo.start_commit(), []

    def look() -> None:
        with pfslib.open(store.path) as other:
            seen.append(other.open_commit(mine.repo, mine.id).inspect_file("/").files)
            other.gc()

    plain = store.kv
    store.kv = SteppedKV(plain, lambda _step: look())
    store.open_commit(mine.repo, mine.id).put_file("/", host)
    store.kv = plain
    assert len(seen) > 6
    assert set(seen) <= {0, 50}
    assert mine.inspect_file("/").files == 50


def test_a_large_tree_put_gives_up_when_others_never_stop(
    store: Store, repo: Repo, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_few_in_memory(monkeypatch)
    monkeypatch.setattr("pfslib.api.editing._TRIES", 2)
    mine, number = repo.start_commit(), 0

    def edit(_step: int) -> None:
        nonlocal number
        number += 1
        with pfslib.open(store.path) as other:
            other.open_commit(mine.repo, mine.id).put_file("/theirs", b"%d" % number)

    plain = store.kv
    store.kv = SteppedKV(plain, edit)
    with pytest.raises(BusyError, match="others edit it all the time"):
        store.open_commit(mine.repo, mine.id).put_file("/", host)
    store.kv = plain
    assert [row.path for row in mine.walk("/")] == ["/theirs"]
