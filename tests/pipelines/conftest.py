"""Stores whose pipelines run in the local sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib import Job, Store
from pfslib.testing.scripted_bench import Bench


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with pfslib.init(tmp_path / "store") as made:
        yield made


@pytest.fixture
def run(store: Store) -> Callable[[], list[Job]]:
    """Run what was triggered, in the sandbox, quietly."""
    return lambda: store.run(runner="local", notice=lambda _sentence: None)


@pytest.fixture
def bench(store: Store) -> Bench:
    """A store with a repo, whose pipelines run functions."""
    store.create_repo("data")
    return Bench(store)
