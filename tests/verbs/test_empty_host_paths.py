"""An empty path of the host, such as that of a variable that is not set, is no path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib import Commit, InvalidInputError, Store

CALLS: dict[str, Callable[[Store, Commit], object]] = {
    "init": lambda _store, _commit: pfslib.init(""),
    "open": lambda _store, _commit: pfslib.open(""),
    "create": lambda _store, _commit: pfslib.open("", create=True),
    "backup": lambda store, _commit: store.backup(""),
    "export": lambda _store, commit: commit.export(""),
    "get_file_to": lambda _store, commit: commit.get_file_to("/x", ""),
    "mount": lambda _store, commit: commit.mount(""),
    "mount_all": lambda store, _commit: store.mount(""),
    "working_copy": lambda store, commit: store.repo(commit.repo).working_copy(""),
    "create_image": lambda store, _commit: store.create_image("tools", ""),
}


@pytest.mark.parametrize("name", CALLS)
def test_is_refused(
    name: str,
    store: Store,
    commit: Callable[..., Commit],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(InvalidInputError, match="empty"):
        CALLS[name](store, commit({"/x": b"x"}))
    assert list(here.iterdir()) == []
