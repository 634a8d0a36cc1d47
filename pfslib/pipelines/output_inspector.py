"""What of /pfs/out can be kept; above all, where its links lead by way of whatever other links.

They are followed as the kernel would, in the world that the command saw: its output, of which
nothing runs any more, and its inputs as they are in the store. A host path is never looked at.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final, Self

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import UnsupportedFileError
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_text
from pfslib.trees.directories import root_entry
from pfslib.trees.filereader import read_file
from pfslib.trees.holes import hole_bytes
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk

_PFS: Final = (b"pfs",)
_OUT: Final = (b"pfs", b"out")
_DEPTH_OF_DATA: Final = 2
"""Of /pfs/NAME, which is never a link."""

_LINKS_MAX: Final = 40
"""As many as the kernel follows on one way."""

_STEPS_MAX: Final = 4096
"""No honest way is longer; forty links can be made to take a million."""

HOLES_MAX: Final = 64 << 30
"""Bytes that a file may have without having been written: each of them is read."""

_NO_LINK: Final = {errno.EINVAL, errno.ENOENT, errno.ENOTDIR}


class InputTrees:
    """The inputs of a datum, as they are in the store.

    Args:
        kv: The store.
        trees: The key of the root node of each input.
        cache: What is remembered of trees.
    """

    def __init__(self, kv: KV, trees: Mapping[str, bytes], cache: TreeCache) -> None:
        self._kv = kv
        self._keys = {name.encode(): key for name, key in trees.items()}
        self._cache = cache

    def find(self, path: Parts) -> Entry | None:
        """What a path below /pfs means; None when it is no input's, or nothing is there."""
        with self._kv.read() as txn:
            return self._find(txn, path)

    def link_target(self, path: Parts) -> bytes | None:
        """Where a link of an input leads; None if the path is that of none."""
        with self._kv.read() as txn:
            entry = self._find(txn, path)
            if entry is None or not entry.is_symlink:
                return None
            return read_file(txn, entry, 0, None, self._cache)

    def links_below(self, path: Parts) -> list[tuple[Parts, bytes]]:
        """The links below a path, and where they lead; walks all that is there."""
        with self._kv.read() as txn:
            entry = self._find(txn, path)
            if entry is None or not entry.is_dir:
                return []
            return [
                (below, read_file(txn, found, 0, None, self._cache))
                for below, found in walk(txn, entry, self._cache)
                if found.is_symlink
            ]

    def _find(self, txn: ReadTxn, path: Parts) -> Entry | None:
        key = self._keys.get(path[0])
        if key is None:
            return None
        return find_entry(txn, root_entry(txn, key, self._cache), path[1:], self._cache)


class OutputInspector:
    """Decides about what is in one output; an `Inspector`.

    Args:
        out: A descriptor of the output directory.
        inputs: Where links out of it may lead.
    """

    def __init__(self, out: int, inputs: InputTrees) -> None:
        self._out = out
        self._inputs = inputs

    @classmethod
    @contextlib.contextmanager
    def of(cls, out: Path, inputs: InputTrees) -> Iterator[Self]:
        """Those of a directory of the host."""
        fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield cls(fd, inputs)
        finally:
            os.close(fd)

    def check_file(self, path: Parts, status: os.stat_result) -> None:
        """Refuse a file that takes days to read and no room to make.

        Raises:
            UnsupportedFileError: Too much of it was never written.
        """
        holes = hole_bytes(status)
        if holes > HOLES_MAX:
            raise UnsupportedFileError(
                _shown(path), f"has {holes} bytes that were never written, too many to be read"
            )

    def put_link(self, path: Parts, target: bytes) -> Entry | bytes:
        """What is put for a link: what it leads to in an input, or the target that it is to have.

        A link that leads into the output, but by way of what is outside of it, gets a target that
        does not.

        Raises:
            UnsupportedFileError: It leads elsewhere, or nowhere in the end.
        """
        place, stays = self._follow(path, target)
        if stays:
            return target
        if place[:2] == _OUT:
            return _relative(path[:-1], place[2:])
        found = self._inputs.find(place[1:]) if place[1:] else None
        if found is None:
            raise _refused(path, target, "which lies outside")
        if found.is_dir:
            self._check_links(path, place)
        return found

    def _check_links(self, path: Parts, place: Parts) -> None:
        """Refuse a directory of an input if a link in it leads out of the output, from there."""
        for below, target in self._inputs.links_below(place[1:]):
            copied = (*path, *below)
            if not self._follow(copied, target, (path, place))[1]:
                raise _refused(copied, target, "which lies outside")

    def _follow(
        self, path: Parts, target: bytes, copied: tuple[Parts, Parts] | None = None
    ) -> tuple[Parts, bool]:
        """The place, from the root, that a link leads to; whether the way never left the output.

        Args:
            path: Of the link.
            target: Of the link.
            copied: Where in the output a directory is going to be, and where it is now.
        """
        place, todo, stays = [*_OUT, *path], deque[bytes](), True
        following: bytes | None = target
        links = 0
        for _ in range(_STEPS_MAX):
            if following is not None:
                links += 1
                place = [] if following.startswith(b"/") else place[:-1]
                todo.extendleft(reversed(following.split(b"/")))
                following = None
            elif not todo:
                return tuple(place), stays
            elif (part := todo.popleft()) == b"..":
                del place[-1:]
            elif part not in {b"", b"."}:
                place.append(part)
                following = self._link_at(_now(tuple(place), copied))
            stays = stays and place[:2] == list(_OUT)
            if place[:1] not in ([], list(_PFS)):
                raise _refused(path, target, "which lies outside")
            if links > _LINKS_MAX:
                break
        raise _refused(path, target, "from where it goes on and on")

    def _link_at(self, place: Parts) -> bytes | None:
        """Where a link leads that is at a place; None if none is there."""
        if len(place) <= _DEPTH_OF_DATA:
            return None
        if place[:2] != _OUT:
            return self._inputs.link_target(place[1:])
        try:
            return os.readlink(b"/".join(place[2:]), dir_fd=self._out)
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            why = f"cannot be looked at: {error.strerror}"
            raise UnsupportedFileError(_shown(place[2:]), why) from None


def _now(place: Parts, copied: tuple[Parts, Parts] | None) -> Parts:
    """Where that is now which is going to be at a place."""
    if copied is not None and place[: len(there := (*_OUT, *copied[0]))] == there:
        return (*copied[1], *place[len(there) :])
    return place


def _relative(directory: Parts, place: Parts) -> bytes:
    """The target of a link in a directory of the output that leads to a place in it."""
    pairs = zip(directory, place, strict=False)
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return b"/".join([b".."] * (len(directory) - common) + list(place[common:])) or b"."


def _shown(path: Parts) -> str:
    return to_text(b"/".join((b"", *_OUT, *path)))


def _refused(path: Parts, target: bytes, why: str) -> UnsupportedFileError:
    return UnsupportedFileError(_shown(path), f"is a link to {to_text(target)}, {why}")
