"""The ways to a `Store`: made, opened, or let be written again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pfslib.api.store import Store
from pfslib.api.tree_source import STORE_PARAMETERS
from pfslib.kv.health import drop_cached_pages, let_write_again, mend_files
from pfslib.kv.store_dir import check_store, create_store, locate_store
from pfslib.model.errors import AlreadyExistsError
from pfslib.model.host_paths import host_path


def init(path: str | os.PathLike[str]) -> Store:
    """Make a new store and open it.

    Args:
        path: A directory that does not exist yet, or is empty.

    Raises:
        AlreadyExistsError: Something is there already.
        InvalidInputError: It is the working directory.
    """
    directory = host_path(path).expanduser().absolute()
    return Store(create_store(directory, STORE_PARAMETERS))


def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    accept_loss: bool = False,
    autorun: bool = False,
    egress_to: Path | None = None,
) -> Store:
    """Open a store.

    Args:
        path: Its directory; None means PFS_STORE or, without that, the nearest ``.pfs`` of the
            working directory and those above it or, without any, what the user's file of settings
            says (``pfs config list`` tells where that is).
        create: Make the store when nothing is there yet; where nothing says where, it is the
            ``.pfs`` of the working directory.
        accept_loss: Go on with what can be read when the last commits are missing because the disk
            has lost them, or an older data file was put in place; without it that is an error.
        autorun: Run jobs as commits trigger them, and make clocks tick, by threads of this process
            and until the store is closed, as `Store.watch` does. What goes wrong is logged.
        egress_to: Below this host directory those jobs may copy outputs, if their specs want it.

    Raises:
        StoreNotFoundError: No store there; a mistyped path never makes a new one.
        UnknownFormatError: The store was made by a newer pfslib.
        CorruptionError: It is damaged, or its last commits are missing: says how many.
        BusyError: It is open in another PID namespace.
        StoreAccessError: It, or a file of it, is somebody else's.
        StateError: It is on a file system that is mounted read-only.
    """
    directory = locate_store(path, os.environ, or_here=create)
    if create and not (directory.is_dir() and any(directory.iterdir())):
        with suppress(AlreadyExistsError):  # another process was faster: open its store
            create_store(directory, STORE_PARAMETERS)
    made = check_store(directory, STORE_PARAMETERS)
    return Store(made, accept_loss=accept_loss, autorun=autorun, egress_to=egress_to)


def recover(
    path: str | os.PathLike[str] | None = None, *, check: Callable[[Store], object]
) -> None:
    """Let a store be written again that takes no writes since an I/O error.

    After such an error the kernel may hold bytes in memory that never reached the disk. They are
    dropped, so that the check sees what is really there. Damaged meta pages of the data file are
    made whole where that loses nothing.

    Args:
        path: The store, as in `open`; nobody may have it open.
        check: Called with the store, opened; raises when something is wrong with it. It should read
            everything.

    Raises:
        BusyError: Somebody has it open.
        CorruptionError: It is damaged.
        Exception: What the check raises; the store goes on taking no writes.
    """
    directory = check_store(locate_store(path, os.environ), STORE_PARAMETERS)
    drop_cached_pages(directory)
    mend_files(directory)
    with Store(directory) as store:
        check(store)
    let_write_again(directory)
