"""The two meta pages of the data file, made whole from what the anchor has of them.

LMDB reads both at every opening, and refuses the file for one wrong bit in the fields that never
change; it then believes the one with the higher transaction number. So a bit can make the store
unusable though nothing is lost, or take back the last commit though it is there. Only what differs
is written, and only where it is certain: a page that may be newer than the anchor stays as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from pfslib.kv.anchor import META_SIZE, META_TXNID_AT, Anchor, Anchored, txnid_of

_CONSTANT: Final = (slice(8, 12), slice(16, 24), slice(40, 44))
"""Flags of the page, magic and version, page size: the same in both pages, for ever."""


def find_repairs(fd: int, state: Anchored) -> dict[int, bytes]:
    """What has to be written where in the data file, so that its meta pages are whole.

    To be asked only while nobody writes.

    Args:
        fd: The data file.
        state: What the anchor knows.
    """
    own, other = _read(fd, state)
    if min(len(own), len(other)) < META_SIZE or txnid_of(state.meta) != state.txnid:
        return {}
    whole_own = state.meta if _is_damaged(own, state) else _with_constants(own, state)
    whole_other = _with_constants(other, state)
    # One that claims more than one transaction on top of a page that it would have replaced.
    if whole_own == state.meta and not _may_stand_beside(txnid_of(other), state.txnid):
        whole_other = _older(whole_other, state)
    pages = ((state.meta_at, own, whole_own), (_other_at(state), other, whole_other))
    return {at: whole for at, found, whole in pages if found != whole}


def put_down_other(fd: int, state: Anchored) -> bool:
    """Make LMDB believe the anchored page, if that is whole, when the other has proved older.

    Returns:
        Whether the file was changed, and is to be opened again.
    """
    own, other = _read(fd, state)
    if own != state.meta or txnid_of(other) < state.txnid:
        return False
    write_pages(fd, {_other_at(state): _older(other, state)})
    return True


def write_pages(fd: int, pages: dict[int, bytes]) -> None:
    """Write heads of meta pages, durably."""
    for at, page in pages.items():
        os.pwrite(fd, page, at)
    os.fsync(fd)


def mend_meta_pages(directory: Path) -> bool:
    """Make the meta pages of a store whole that nobody has open; whether they were not."""
    anchor = Anchor(directory)
    try:
        state = anchor.read()
        repairs = find_repairs(anchor.data_fd, state) if state is not None else {}
        write_pages(anchor.data_fd, repairs)
    finally:
        anchor.close()
    return bool(repairs)


def _read(fd: int, state: Anchored) -> tuple[bytes, bytes]:
    """The page that the anchor has a copy of, and the other one."""
    return os.pread(fd, META_SIZE, state.meta_at), os.pread(fd, META_SIZE, _other_at(state))


def _other_at(state: Anchored) -> int:
    return state.page_size - state.meta_at


def _is_damaged(own: bytes, state: Anchored) -> bool:
    """Whether it is the page of that very state, but not as it was written.

    A higher number may be true: the anchor is behind after a power loss. LMDB puts even ones into
    the first page, and looks for them there.
    """
    if own == state.meta:
        return False
    ahead = txnid_of(own) - state.txnid
    alike = own[:META_TXNID_AT] == state.meta[:META_TXNID_AT]
    return ahead == 0 or (alike and (ahead < 0 or ahead % 2 == 1))


def _may_stand_beside(txnid: int, anchored: int) -> bool:
    return txnid <= anchored + 1 and (anchored - txnid) % 2 == 1


def _with_constants(page: bytes, state: Anchored) -> bytes:
    whole = bytearray(page)
    for part in _CONSTANT:
        whole[part] = state.meta[part]
    return bytes(whole)


def _older(page: bytes, state: Anchored) -> bytes:
    txnid = max(state.txnid - 1, 0)
    return page[:META_TXNID_AT] + txnid.to_bytes(META_SIZE - META_TXNID_AT, sys.byteorder)
