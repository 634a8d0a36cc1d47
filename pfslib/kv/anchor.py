"""The anchor: what the data file must at least hold, kept outside of it.

LMDB believes the newer of its two meta pages, and nothing checks them: one flipped bit silently
takes back the last commit. So every change of the store is counted, in the store and here, and the
meta page that belongs to the count is kept here as a copy. A store that is behind its anchor has
lost something and is refused.

The anchor is written after the commit is durable and is not synced itself: after a crash it may be
behind the store, which is harmless, but never ahead of it. It is read *before* the store, or else a
commit in between would look like a loss. Two slots, in disk blocks of their own, are written in
turn, so that one torn or damaged leaves the other.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from pfslib.kv.layout import ANCHOR_FILE, DATA_FILE
from pfslib.kv.store_files import open_store_file
from pfslib.kv.syncing import write_durably
from pfslib.model.errors import CorruptionError

_SLOT: Final = struct.Struct("<QQI152s")
"""Changes, LMDB transaction number, page size, head of the meta page; a CRC-32 of them follows."""
_SLOT_SIZE: Final = _SLOT.size + 4
_SLOT_AT: Final = (0, 4096)
ANCHOR_SIZE: Final = 8192

_LOOKS: Final = 10

META_SIZE: Final = 152
"""All that LMDB 0.9 keeps in a meta page, its page header included."""
META_TXNID_AT: Final = 144


class Anchored(NamedTuple):
    """A state of the store that was durable.

    Attributes:
        changes: How many changes had been made to the store.
        txnid: The number of LMDB's last transaction.
        page_size: LMDB's, in bytes.
        meta: The head of its meta page.
    """

    changes: int
    txnid: int
    page_size: int
    meta: bytes

    @property
    def meta_at(self) -> int:
        """Where in the data file its meta page is, in bytes."""
        return (self.txnid & 1) * self.page_size


class Anchor:
    """The anchor of one store; to be written only by the one who may write the store.

    Attributes:
        data_fd: The data file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd = open_store_file(directory / ANCHOR_FILE)
        try:
            self.data_fd = os.open(directory / DATA_FILE, os.O_RDWR | os.O_CLOEXEC)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close its files; in a forked child too."""
        os.close(self._fd)
        os.close(self.data_fd)

    def read(self) -> Anchored | None:
        """The newest state that was written down; None when none can be read."""
        slots = map(_parse, self._slots())
        return max(filter(None, slots), default=None, key=lambda slot: slot.changes)

    def has_damaged_slot(self) -> bool:
        """Whether something was written that cannot be read; one that is empty is in order."""
        return any(_is_damaged(slot) for slot in self._slots())

    def write(self, changes: int, txnid: int, page_size: int) -> None:
        """Write down the state that is durable now; survives the process, not a power loss."""
        self._write(self._state(changes, txnid, page_size))

    def reset(self, changes: int, txnid: int, page_size: int) -> None:
        """Forget what was written down, and write down this state, durably."""
        os.pwrite(self._fd, bytes(ANCHOR_SIZE), 0)
        self.write(changes, txnid, page_size)
        os.fsync(self._fd)

    # --- inside --------------------------------------------------------------------------

    def _slots(self) -> list[bytes]:
        return [os.pread(self._fd, _SLOT_SIZE, at) for at in _SLOT_AT]

    def _state(self, changes: int, txnid: int, page_size: int) -> Anchored:
        state = Anchored(changes, txnid, page_size, b"")
        return state._replace(meta=os.pread(self.data_fd, META_SIZE, state.meta_at))

    def _write(self, state: Anchored) -> None:
        body = _SLOT.pack(*state)
        slot = body + zlib.crc32(body).to_bytes(4, "little")
        os.pwrite(self._fd, slot, _SLOT_AT[state.changes & 1])


def create_anchor(directory: Path) -> None:
    """Make the file, with the room it will need, durably; it says nothing yet."""
    write_durably(directory / ANCHOR_FILE, bytes(ANCHOR_SIZE))


def find_damaged_slot(directory: Path) -> bool:
    """Whether a slot of a store's anchor is damaged, whoever writes it meanwhile."""
    anchor = Anchor(directory)
    try:
        # One that is just being written may be met half-way, but not every time.
        return all(anchor.has_damaged_slot() for _ in range(_LOOKS))
    finally:
        anchor.close()


def behind(directory: Path, changes: int, anchored: Anchored | None) -> CorruptionError | None:
    """Why a store with so many changes is not what its anchor says; None when it is."""
    hint = (
        "restore a backup; or go on with what is there: `pfs recover --accept-loss`, which is "
        "pfslib.open(path, accept_loss=True)"
    )
    if anchored is None:
        why = f"its file {ANCHOR_FILE} is damaged, so that nobody knows whether commits are missing"
        return CorruptionError(f"store {directory}: {why}", hint=hint)
    missing = anchored.changes - changes
    if missing <= 0:
        return None
    return CorruptionError(
        f"store {directory}: the last {missing} changes of {anchored.changes} are missing from "
        f"{DATA_FILE}: it is damaged, or an older copy",
        hint=hint,
    )


def _is_damaged(slot: bytes) -> bool:
    return any(slot) and _parse(slot) is None


def _parse(slot: bytes) -> Anchored | None:
    if len(slot) != _SLOT_SIZE or zlib.crc32(slot[:-4]).to_bytes(4, "little") != slot[-4:]:
        return None
    return Anchored(*_SLOT.unpack(slot[:-4]))


def txnid_of(meta: bytes) -> int:
    """The transaction number in the head of a meta page."""
    return int.from_bytes(meta[META_TXNID_AT:], sys.byteorder)
