"""Stores to be looked after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import pfslib
from pfslib import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with pfslib.init(tmp_path / "store") as made:
        yield made


@pytest.fixture
def random() -> Random:
    return Random(7)
