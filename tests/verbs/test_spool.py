"""Edits that wait in a file: in the store's directory, and a full disk is said as one."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pfslib import Repo, Store, StoreFullError
from pfslib.trees.edit import Edit, Op
from pfslib.trees.spool import EditSpool


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pfslib.trees.spool.MEMORY_MAX", "pfslib.api.editing.MEMORY_MAX"):
        monkeypatch.setattr(name, 20)


def test_a_large_tree_put_needs_no_folder_for_temporary_files(
    store: Store, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is often in memory, which is not where millions of edits belong."""
    host = tmp_path / "host"
    host.mkdir()
    for number in range(50):
        (host / str(number)).touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with repo.commit() as commit:
        commit.put_file("/", host)
    assert repo["master"].files == 50
    assert not [file.name for file in store.path.iterdir() if "edits" in file.name]


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("count", [60, 5_000])
def test_a_spool_without_room_says_so(tmp_path: Path, count: int) -> None:
    """Whether it is found while they are added or, of the last few, when they are read back."""

    def fill_and_read(spool: EditSpool) -> None:
        for number in range(count):
            spool.add(Edit(Op.DELETE, (b"%d" % number, b"x" * 20)))
        list(spool.batches())

    with (
        EditSpool(tmp_path) as spool,
        files_up_to(500),
        pytest.raises(StoreFullError, match=str(tmp_path)),
    ):
        fill_and_read(spool)
    assert list(tmp_path.iterdir()) == []
