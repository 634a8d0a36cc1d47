"""T20: what is in the environment of the embedding process reaches neither the store nor a message.

There is no way to mark a value of a spec as secret: a spec that asks for secrets is refused.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.tables import Table
from pfslib.testing.shell_pipelines import commit_files, shell_spec

SECRET = "not-for-the-store-4711"


@pytest.mark.sandbox
def test_the_owners_environment_stays_with_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PFS_TEST_TOKEN", SECRET)
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        store.create_pipeline(shell_spec("good", "data", "env", "env > /pfs/out/env"))
        store.create_pipeline(shell_spec("bad", "data", "env", "env >&2", "false"))
        commit_files(store, "data", {"/a": "a"})
        jobs = store.run(runner="local", notice=said.append)
        assert sorted(str(job.state) for job in jobs) == ["failure", "success"]
        assert b"PATH=" in store.get_file("good", "master", "/env"), "the commands did say"
        everything = [store.get_file("good", "master", "/env"), *rows_of(store)]
        everything += [repr(job).encode() + job.reason.encode() for job in jobs]
    everything += [line.encode() for line in (*said, caplog.text)]
    assert not any(SECRET.encode() in text for text in everything)


def rows_of(store: pfslib.Store) -> list[bytes]:
    """All rows but chunks, which are compressed."""
    with store.kv.read() as txn:
        tables = [table for table in Table if table not in {Table.CHUNKS, Table.NODES}]
        return [key + value for table in tables for key, value in txn.scan(table)]


def test_a_spec_that_asks_for_secrets_is_refused_without_repeating_them(tmp_path: Path) -> None:
    spec = shell_spec("p", "data", "true")
    spec["transform"]["secrets"] = [{"name": SECRET, "env_var": "TOKEN"}]  # type: ignore[index]
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        with pytest.raises(pfslib.InvalidSpecError, match=r"transform\.secrets") as raised:
            store.create_pipeline(spec)
        assert SECRET not in f"{raised.value} {raised.value.hint}"
        assert store.list_pipeline() == []
