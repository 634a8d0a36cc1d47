"""What there is in a store by name, for completion: as few imports and look-ups as can be.

Names are read from the keys of tables, so that no record needs to be understood; only paths need a
commit and its tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from typing import Final

from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.kv.store_dir import check_store, locate_store
from pfslib.kv.tables import Table, name_prefix

_MOST: Final = 500
_JOBS: Final = 20


class KnownNames:
    """The names in a store. Each listing is the first five hundred, or twenty jobs."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    def repos(self, typed: str) -> list[str]:
        """Repos that begin so."""
        return self._names(Table.REPOS, typed)

    def pipelines(self, typed: str) -> list[str]:
        """Pipelines that begin so."""
        return self._names(Table.PIPELINES, typed)

    def images(self, typed: str) -> list[str]:
        """Images that begin so."""
        return self._names(Table.IMAGES, typed)

    def refs(self, repo: str, typed: str) -> list[str]:
        """Branches, also those that have only an open commit, and tags of a repo that begin so."""
        prefix = name_prefix(repo).decode()
        tables = (Table.BRANCHES, Table.OPEN_BRANCHES, Table.TAGS)
        found = (name for table in tables for name in self._names(table, prefix + typed))
        return sorted({name.removeprefix(prefix) for name in found})

    def jobs(self, typed: str) -> list[str]:
        """The newest jobs that begin so, newest first."""
        with self._kv.read() as txn:
            ids = (value.hex() for _, value in txn.scan(Table.JOB_ORDER, reverse=True))
            return list(islice((job for job in ids if job.startswith(typed)), _JOBS))

    def paths(self, repo: str, ref: str, typed: str) -> list[str]:
        """Paths in a commit that begin so, to the next component; directories end in a slash."""
        folder, slash, name = (typed or "/").rpartition("/")
        with self._kv.read() as txn:
            return [f"{folder}{slash}{found}" for found in _entries(txn, repo, ref, folder, name)]

    def _names(self, table: Table, typed: str) -> list[str]:
        start = typed.encode()
        with self._kv.read() as txn:
            keys = takewhile(lambda key: key.startswith(start), txn.keys(table, start=start))
            return [key.decode() for key in islice(keys, _MOST)]


def _entries(txn: ReadTxn, repo: str, ref: str, folder: str, typed: str) -> Iterator[str]:
    # Few words name a path: what they need is imported only then.
    from pfslib.commits.refs import resolve
    from pfslib.model.paths import split_path, to_text
    from pfslib.trees.lookup import find_child, get_entry, scan_directory
    from pfslib.trees.nodestore import TreeCache

    cache, start = TreeCache(), os.fsencode(typed)
    directory = get_entry(txn, resolve(txn, repo, ref).root, split_path(folder), cache)
    same = find_child(txn, directory, start, cache) if start else None
    after = scan_directory(txn, directory, cache, after=start or None)
    for entry in [same, *islice(takewhile(lambda e: e.name.startswith(start), after), _MOST)]:
        if entry is not None:
            yield to_text(entry.name) + ("/" if entry.is_dir else "")


@contextmanager
def known_names(store: str | None) -> Iterator[KnownNames]:
    """Open a store for its names.

    Raises:
        PfsError: It cannot be opened.
    """
    kv = LmdbKV.open(check_store(locate_store(store, os.environ), {}))
    try:
        yield KnownNames(kv)
    finally:
        kv.close()
