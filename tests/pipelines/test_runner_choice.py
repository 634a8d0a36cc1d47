"""Which runner a spec gets, and what is said about it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import pfslib
from pfslib import InvalidInputError, Store
from pfslib.runners import docker_runner
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]


def with_image(store: Store, *lines: str) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", *lines, transform={"image": "some/image"}))
    commit_files(store, "data", {"/a": "a"})


def test_an_image_that_runs_in_the_sandbox_is_mentioned_once_a_store(
    store: Store, tmp_path: Path
) -> None:
    said: list[str] = []
    with_image(store, "true")
    store.run(runner="local", notice=said.append)
    commit_files(store, "data", {"/b": "b"})
    with pfslib.open(tmp_path / "store") as again:
        (job,) = again.run(runner="local", notice=said.append)
    assert job.state == "success"
    assert len(said) == 1
    assert "some/image" in said[0]
    assert "sandbox" in said[0]


def test_without_an_engine_the_sandbox_is_used_and_the_reason_given(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_runner, "docker_available", lambda: "no engine answers")
    said: list[str] = []
    with_image(store, "true")
    (job,) = store.run(notice=said.append)
    assert job.state == "success"
    assert "no engine answers" in said[0]


def test_the_stores_own_image_is_laid_over_the_machine(store: Store, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "only-in-the-image").mkdir(parents=True)
    (files / "only-in-the-image" / "word").write_text("hello\n")
    store.create_image("some/image", files)
    with_image(store, "cat /only-in-the-image/word > /pfs/out/o")
    store.run(notice=lambda _: None)
    assert store.commit("p@master").get_file("/o") == b"hello\n"
    assert not Path("/only-in-the-image").exists()


def test_a_new_image_runs_everything_again(store: Store, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for text in ("one", "two"):
        (files / "word-of-the-image").write_text(text)
        store.create_image("some/image", files)
        if text == "one":
            with_image(store, "cat /word-of-the-image > /pfs/out/o")
        else:
            commit_files(store, "data", {"/a": "changed", "/b": "b"})
            commit_files(store, "data", {"/a": "a", "/b": None})
        *_, job = store.run(runner="local", notice=lambda _: None)
        assert job.counts.processed == 1
        assert store.commit("p@master").get_file("/o") == text.encode()


def test_a_watcher_notices_a_new_image(store: Store, tmp_path: Path) -> None:
    files, stop = tmp_path / "files", threading.Event()
    files.mkdir()
    (files / "word-of-the-image").write_text("one")
    store.create_image("some/image", files)
    with_image(store, "cat /word-of-the-image > /pfs/out/$(basename $data)")
    watch = threading.Thread(
        target=store.watch, args=(stop,), kwargs={"runner": "local", "notice": lambda _: None}
    )
    watch.start()
    try:
        assert wait_until(lambda: any(job.finished_ns for job in store.list_job()))
        (files / "word-of-the-image").write_text("two")
        store.create_image("some/image", files)
        commit_files(store, "data", {"/b": "b"})
        assert wait_until(lambda: sum(job.finished_ns > 0 for job in store.list_job()) == 2)
    finally:
        stop.set()
        watch.join()
    assert store.commit("p@master").get_file("/b") == b"two"


def test_an_unknown_runner_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInputError, match="local"):
        store.run(runner="podman")
