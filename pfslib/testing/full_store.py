"""A small store with rows in every table, for tests of what may befall any of them."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pfslib.api.store import Store
from pfslib.commits.tags import add_tag
from pfslib.kv.tables import Table, number_key
from pfslib.model.encoding import pack
from pfslib.model.work import Lease
from pfslib.pipelines.ledger import queued_jobs
from pfslib.pipelines.trigger import create_jobs
from pfslib.testing.shell_pipelines import commit_files, shell_spec
from pfslib.trees.hoststats import StatRow

Files = dict[tuple[str, str], bytes]
"""Content by reference and path."""


def fill(store: Store, scratch: Path) -> Files:
    """Fill an empty store; needs the local sandbox.

    Args:
        store: The store.
        scratch: A directory for files to be read from.

    Returns:
        What each file of each commit holds.
    """
    random = Random(11)  # noqa: S311 - contents, the same each time
    store.create_repo("data")
    store.create_pipeline(shell_spec("copies", "data", "echo seen", "cp /pfs/data/* /pfs/out/"))
    commit_files(store, "data", {f"/{n}": random.randbytes(100 * n).hex() for n in range(1, 8)})
    store.run(runner="local", notice=lambda _: None)
    store.update_pipeline(shell_spec("copies", "data", "echo seen", "cp /pfs/data/* /pfs/out/"))
    store.run(runner="local", notice=lambda _: None)
    commit_files(store, "data", {"/queued": "its job is not run"})
    create_jobs(store.kv)
    store.create_repo("files", description="of all kinds")
    with store.repo("files").commit(message="first") as commit:
        for number in range(150):
            commit.put_file(f"/many/{number:03}", random.randbytes(300))
        commit.put_file("/inline", b"inline")
        commit.put_file("/piece", random.randbytes(20_000))
        commit.put_file("/list", random.randbytes(3_000_000))
    with store.repo("files").commit("other") as other:
        other.put_file("/alone", random.randbytes(5_000))
    assert other.commit is not None
    unfinished = store.start_commit("files")
    unfinished.put_file("/staged", b"staged")
    unfinished.put_file("/staged-piece", random.randbytes(1_000))
    (scratch / "image").mkdir()
    (scratch / "image/tool").write_bytes(random.randbytes(5_000))
    store.create_image("tools", scratch / "image")
    with store.kv.write() as txn:
        add_tag(txn, "files", "v1", other.commit.id)
        row = StatRow(b"name", 1, 2, 3, 4, b"ab")
        txn.put(Table.STATS, bytes(16) + row.name, pack([row]))
        # What a killed run may leave:
        (queued,) = queued_jobs(txn)
        txn.put(Table.LEASES, bytes(32), pack(Lease(queued.id, "")))
        # What a killed gc may leave:
        txn.put(Table.CONDEMNED, random.randbytes(32), b"p")
        txn.put(Table.THINNED, number_key(0), b"")
    return read_all(store)


def read_all(store: Store) -> Files:
    """All files of all commits."""
    found: Files = {}
    for repo in store.list_repo():
        for commit in store.list_commit(repo.name):
            for file in commit.walk():
                if file.kind == "file":
                    found[str(commit), file.path] = commit.get_file(file.path)
    return found
