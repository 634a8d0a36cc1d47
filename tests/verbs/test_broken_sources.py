"""Sources that break half-way: what they gave until then is not stored by whatever comes next."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from pfslib import Repo, Store, UnsupportedFileError
from pfslib.testing.inventory import assert_clean, assert_exact, held


def breaking(megabytes: int, *, seed: int) -> Iterator[bytes]:
    for number in range(megabytes):
        yield Random(1_000 * seed + number).randbytes(1 << 20)
    raise OSError("the source broke")


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A directory with a file that cannot be stored after many that can."""
    made = tmp_path / "refused"
    made.mkdir()
    for number in range(100):
        (made / f"{number:03}").write_bytes(Random(number).randbytes(2_000 + 400 * number))
    os.mkfifo(made / "z")
    return made


@pytest.mark.parametrize("lasting", [False, True])
def test_what_a_broken_source_gave_is_not_stored(
    store: Store, repo: Repo, refused: Path, lasting: bool
) -> None:
    kept = {"/small": b"s" * 5_000, "/large": Random(1).randbytes(5_000_000)}
    opened = repo.start_commit() if lasting else repo.commit()
    for path, data in kept.items():
        opened.put_file(path, data)
    for call in (
        lambda: opened.put_file("/x", breaking(20, seed=1)),
        lambda: opened.write_at("/x", 5, breaking(20, seed=2)),
        lambda: opened.put_file("/", refused),
    ):
        with pytest.raises((OSError, UnsupportedFileError)):
            call()
        if lasting:
            assert opened._editing.writer.pending_bytes == 0
            assert not [thread for thread in threading.enumerate() if "pfs-" in thread.name]
            assert held(store.path) == 0
    opened.put_file("/last", last := b"l" * 50_000)
    made = opened.finish()
    assert made is not None
    assert {row.path: made.get_file(row.path) for row in made.walk()} == {
        **kept,
        "/last": last,
    }
    # A pack that was begun before the call, and had to be kept, may have pieces of the call.
    assert store.gc(dry_run=True).pieces <= (0 if lasting else 20)
    store.gc()
    assert_exact(store)
    assert_clean(store)


def test_a_content_that_was_taken_back_can_be_put_again(store: Store, repo: Repo) -> None:
    """Also where a part of it was there before, and where it spans what was packed together."""
    data = [Random(number).randbytes(3_000) for number in range(60)]
    with repo.commit() as opened:
        for number in range(10):
            opened.put_file(f"/{number}", data[number])
        with pytest.raises(OSError, match="the source broke"):
            opened.put_file("/all", chain(data, breaking(5, seed=3)))
        for number in range(5, 60):
            opened.put_file(f"/{number}", data[number])
        opened.put_file("/all", iter(data))
    made = opened.commit
    assert made is not None
    assert [made.get_file(f"/{number}") for number in range(60)] == data
    assert made.get_file("/all") == b"".join(data)
    assert_clean(store)
