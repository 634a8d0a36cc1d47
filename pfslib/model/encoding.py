"""Canonical bytes of every record: MessagePack arrays, field by field in the order declared.

The field order of a record *is* the format; docs/format.md lists it and tests/docs pins it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from pfslib.model.errors import CorruptionError

RecordT = TypeVar("RecordT")

FORMAT_VERSION = 2
"""Moves whenever the bytes of a store change meaning; written into every store."""

_encoder = msgspec.msgpack.Encoder()


_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}


def pack(record: object) -> bytes:
    """The canonical bytes of a record."""
    return _encoder.encode(record)


def unpack(kind: type[RecordT], data: bytes) -> RecordT:
    """The record that ``pack`` made the bytes of.

    Raises:
        CorruptionError: The bytes are not such a record.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        record: RecordT = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"a stored {kind.__name__} record cannot be read: {error}"
        raise CorruptionError(why, hint="the store is damaged: restore it from a backup") from error
    return record
