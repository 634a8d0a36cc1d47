"""Mounting, as the handles do it: a commit, several side by side, or all of a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pfslib.model.errors import InvalidInputError, MountError, NotADirectoryInCommitError
from pfslib.model.host_paths import host_path
from pfslib.model.names import check_name, parse_file_reference
from pfslib.mounts.mounting import Mounted, mount

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.mount_verbs import MountVerbs

Shown: TypeAlias = "str | Commit"
"""What to mount: ``repo@ref``, ``repo@ref:/directory``, or a commit."""


def mount_store(
    store: MountVerbs,
    path: str | os.PathLike[str] | None,
    *,
    show: Mapping[str, Shown] | Sequence[Shown] | None,
    allow_other: bool,
    tied: bool,
) -> Mounted:
    """See `Store.mount`."""
    target = host_path(path) if path is not None else None
    if show is None:
        source = f"pfs:{store.path}"
        return mount(store.path, "store", target, fsname=source, allow_other=allow_other, tied=tied)
    shown = {name: _find(store, what) for name, what in _by_name(show)}
    trees = (
        f"{name}={_directory_key(commit, below).hex()}={commit}"
        for name, (commit, below) in shown.items()
    )
    mounting = partial(
        mount,
        store.path,
        f"trees:{','.join(trees)}",
        target,
        fsname="pfs:" + " ".join(f"{commit}{_suffix(below)}" for commit, below in shown.values()),
        allow_other=allow_other,
        tied=tied,
    )
    return _pinned(mounting, [commit for commit, _ in shown.values()])


def mount_commit(
    commit: Commit,
    path: str | os.PathLike[str] | None,
    *,
    below: str,
    allow_other: bool,
    tied: bool,
) -> Mounted:
    """See `Commit.mount`."""
    mounting = partial(
        mount,
        commit.store_path,
        f"tree:{_directory_key(commit, below).hex()}",
        host_path(path) if path is not None else None,
        fsname=f"pfs:{commit}{_suffix(below)}",
        label=str(commit),
        allow_other=allow_other,
        tied=tied,
    )
    return _pinned(mounting, [commit])


def _directory_key(commit: Commit, path: str) -> bytes:
    """The key of the root node of a directory of a commit."""
    entry = commit.tree.find(path)
    if not entry.is_dir:
        raise NotADirectoryInCommitError(path)
    return entry.node


def _suffix(below: str) -> str:
    """What a directory adds to the name of what is shown."""
    return "" if below == "/" else f":{below}"


def _pinned(mount_them: Callable[[], Mounted], commits: Sequence[Commit]) -> Mounted:
    """Mount commits, and see when their trees are pinned that they are still there.

    Raises:
        CommitNotFoundError: One was deleted.
    """
    _check_there(commits)
    try:
        mounted = mount_them()
    except MountError:
        _check_there(commits)  # or it is for want of a tree
        raise
    try:
        _check_there(commits)  # now that the server has pinned them
    except BaseException:
        mounted.unmount()
        raise
    return mounted


def _check_there(commits: Iterable[Commit]) -> None:
    for commit in commits:
        commit.check_there()


def _by_name(show: Mapping[str, Shown] | Sequence[Shown]) -> list[tuple[str, Shown]]:
    if isinstance(show, Mapping):
        pairs = list(show.items())
    else:
        pairs = [(_repo_of(what), what) for what in show]
    names = [check_name("mount", name) for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(
                f"two things would be shown as {name}", hint="give each a name of its own"
            )
    if not pairs:
        raise InvalidInputError("there is nothing to show")
    return pairs


def _repo_of(what: Shown) -> str:
    return parse_file_reference(what).repo if isinstance(what, str) else what.repo


def _find(store: MountVerbs, what: Shown) -> tuple[Commit, str]:
    """A commit, and the directory of it to show."""
    if not isinstance(what, str):
        if what.store_path != store.path and not what.store_path.samefile(store.path):
            message = f"{what} is of another store, {what.store_path}"
            raise InvalidInputError(message, hint="one mount shows one store; mount it by itself")
        return what, "/"
    place = parse_file_reference(what)
    return store.commit(f"{place.repo}@{place.commit}"), place.path or "/"
