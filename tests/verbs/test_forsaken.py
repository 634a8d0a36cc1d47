"""A `with` block that could not even discard its commit leaves the branch to all of its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

import pfslib
from pfslib import BranchBusyError, Store, StoreClosedError, StoreFullError
from pfslib.kv.protocol import WriteTxn
from pfslib.testing.inventory import assert_clean, assert_exact, stored
from pfslib.testing.wrapped import WrappedKV


class FillingKV(WrappedKV):
    """A backend whose disk is full as soon as it is said to be."""

    is_full = False

    def write(self) -> AbstractContextManager[WriteTxn]:
        if self.is_full:
            raise StoreFullError("store", "the disk has no room left")
        return super().write()


def close_inside(other: Store) -> None:
    def put_and_close() -> None:
        with other.repo("data").commit("q") as block:
            block.put_file("/f", b"x" * 50_000)
            block.inspect_file("/f")  # it is stored now
            other.close()

    with pytest.raises(StoreClosedError):
        put_and_close()


def fill_inside(other: Store) -> None:
    other.kv = disk = FillingKV(other.kv)

    def put_and_fill() -> None:
        with other.repo("data").commit("q") as block:
            block.put_file("/f", b"x" * 50_000)
            block.inspect_file("/f")
            disk.is_full = True
            block.put_file("/g", b"y")

    with pytest.raises(StoreFullError):
        put_and_fill()


@pytest.fixture(params=[close_inside, fill_inside])
def given_up(request: pytest.FixtureRequest, store: Store) -> Store:
    """The store after a block of another handle could not be discarded; the id is still there."""
    store.create_repo("data")
    end: Callable[[Store], None] = request.param
    with pfslib.open(store.path) as other:
        end(other)
    return store


def test_another_handle_gets_the_branch(given_up: Store) -> None:
    assert given_up.repo("data").list_open() == []
    with given_up.repo("data").commit("q") as block:
        block.put_file("/h", b"h")
    assert [row.path for row in given_up.commit("data@q").walk()] == ["/h"]


def test_gc_takes_what_it_put(given_up: Store) -> None:
    report = given_up.gc()
    assert report.abandoned_commits == 1
    assert stored(given_up).chunks == set()
    assert_exact(given_up)
    assert_clean(given_up)


def test_other_processes_wait_for_the_end_of_this_one(given_up: Store) -> None:
    """They cannot know, and a block of a live process is not to be touched."""
    code = f"import pfslib; pfslib.open({str(given_up.path)!r}).repo('data').commit('q')"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert BranchBusyError.__name__ in found.stderr
