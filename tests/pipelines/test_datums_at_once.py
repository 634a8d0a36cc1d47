"""Datums run as many at a time as the spec says, and leave the store to others meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import Job, Store
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]

AT_ONCE = 3


def test_as_many_as_the_spec_says_and_the_store_is_free(
    store: Store, run: Callable[[], list[Job]], tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    wait = f"touch {begun}/$PACH_DATUM_ID; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    store.create_repo("data")
    store.create_repo("other")
    spec = shell_spec("p", "data", wait, parallelism_spec={"constant": AT_ONCE})
    store.create_pipeline(spec)
    commit_files(store, "data", {f"/{number}": str(number) for number in range(2 * AT_ONCE)})
    jobs: list[Job] = []
    thread = threading.Thread(target=lambda: jobs.extend(run()))
    thread.start()
    try:
        assert wait_until(lambda: len(list(begun.iterdir())) == AT_ONCE)
        commit_files(store, "other", {"/a": "a"})  # it would wait for ever if the store were locked
        time.sleep(0.2)
        assert len(list(begun.iterdir())) == AT_ONCE
    finally:
        (tmp_path / "go").touch()
        thread.join()
    assert [job.counts.processed for job in jobs] == [2 * AT_ONCE]
