"""A file system of a store of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pfslib
from pfslib.interop.filesystem import PfsFileSystem


@pytest.fixture
def fs(store: pfslib.Store) -> Iterator[PfsFileSystem]:
    """The store as fsspec has it; instances that were made for its URLs are forgotten after."""
    store.create_repo("scratch")
    yield PfsFileSystem(store.path, skip_instance_cache=True)
    PfsFileSystem.clear_instance_cache()


@pytest.fixture
def by_url(store: pfslib.Store, fs: PfsFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs mean the store."""
    monkeypatch.setenv("PFS_STORE", str(store.path))
