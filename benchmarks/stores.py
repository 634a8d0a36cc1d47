"""Our side of the cases: stores made and filled."""

from __future__ import annotations

import itertools
from pathlib import Path

import pfslib

_numbers = itertools.count()


def new_store(top: Path) -> Path:
    """A store with the repo "r"."""
    path = top / f"store-{next(_numbers)}"
    with pfslib.init(path) as store:
        store.create_repo("r")
    return path


def put(path: Path, source: Path, at: str = "/data") -> None:
    """One commit that puts a host file or tree."""
    with pfslib.open(path) as store, store.repo("r").commit() as commit:
        commit.put_file(at, source)


def replace(path: Path, source: Path, at: str = "/data") -> None:
    """One commit after which a tree is this one, and nothing else."""
    with pfslib.open(path) as store, store.repo("r").commit() as commit:
        commit.delete_file(at, missing_ok=True)
        commit.put_file(at, source)
