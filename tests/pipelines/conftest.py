"""Stores whose pipelines run in the local sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib import Job, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with pfslib.init(tmp_path / "store") as made:
        yield made


@pytest.fixture
def run(store: Store) -> Callable[[], list[Job]]:
    """Run what was triggered, in the sandbox, quietly."""
    return lambda: store.run(runner="local", notice=lambda _sentence: None)
