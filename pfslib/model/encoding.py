"""Canonical bytes of every record: MessagePack arrays, field by field in the order declared.

The field order of a record *is* the format; docs/format.md lists it and tests/docs pins it.
"""

from __future__ import annotations

import os
import threading
from typing import Any, TypeVar

import msgspec

from pfslib.model.errors import CorruptionError

RecordT = TypeVar("RecordT")

FORMAT_VERSION = 2
"""Moves whenever the bytes of a store change meaning; written into every store."""

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}
_making = threading.Lock()
"""While msgspec finds out about a type it shows others what it has of it so far: two threads that
make their first decoders at once can end the process by a signal."""


def pack(record: object) -> bytes:
    """The canonical bytes of a record."""
    return _encoder.encode(record)


def _renew_lock() -> None:
    """In a forked child: a thread that it does not have may hold the lock."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def _make_decoder(kind: type[RecordT]) -> msgspec.msgpack.Decoder[RecordT]:
    with _making:
        if kind not in _decoders:
            _decoders[kind] = msgspec.msgpack.Decoder(kind)
        return _decoders[kind]


def unpack(kind: type[RecordT], data: bytes) -> RecordT:
    """The record that ``pack`` made the bytes of.

    Raises:
        CorruptionError: The bytes are not such a record.
    """
    decoder = _decoders.get(kind) or _make_decoder(kind)
    try:
        record: RecordT = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"a stored {kind.__name__} record cannot be read: {error}"
        raise CorruptionError(why, hint="the store is damaged: restore it from a backup") from error
    return record
